//! The connection to Redis on which other nodes are heard. Does not know: what they say.

use futures_util::StreamExt;
use redis::RedisError;
use redis::aio::{PubSubSink, PubSubStream};

use super::place::{CONNECT_TIMEOUT, Place, within};

/// A connection that is open; it hears nothing until it has subscribed.
pub(super) struct Channel {
    sink: PubSubSink,
    stream: PubSubStream,
}

impl Channel {
    /// Connects.
    ///
    /// # Errors
    /// What Redis, or the way to it, says.
    pub(super) async fn open(place: &Place) -> Result<Self, RedisError> {
        let (sink, stream) = place.listen().await?.split();
        Ok(Self { sink, stream })
    }

    /// Listens there too. To be awaited beside [`Self::next`], which goes on to give what comes meanwhile.
    pub(super) fn subscribe(
        &self,
        channels: Vec<String>,
    ) -> impl Future<Output = Result<(), RedisError>> + Send + use<> {
        let mut sink = self.sink.clone();
        async move { within(CONNECT_TIMEOUT, sink.subscribe(channels)).await }
    }

    /// The next message; `None` when the connection has ended.
    pub(super) async fn next(&mut self) -> Option<Vec<u8>> {
        Some(self.stream.next().await?.get_payload_bytes().to_vec())
    }
}
