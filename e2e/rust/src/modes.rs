//! Runs one test body for each way a stock client reaches the gateway.

/// One test a mode, named after it.
#[macro_export]
macro_rules! each_mode {
    ($name:ident, $body:ident) => {
        mod $name {
            #[tokio::test(flavor = "multi_thread")]
            async fn over_websocket() {
                super::$body($crate::client::Mode::WebSocket).await;
            }
            #[tokio::test(flavor = "multi_thread")]
            async fn over_polling() {
                super::$body($crate::client::Mode::Polling).await;
            }
            #[tokio::test(flavor = "multi_thread")]
            async fn over_an_upgrade() {
                super::$body($crate::client::Mode::Upgrade).await;
            }
        }
    };
}
