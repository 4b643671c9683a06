//! Certificates for tests, and a relay that speaks TLS to a server for a client that does not: what a test sends to the
//! relay's port in the clear reaches the server encrypted, in pieces of a size that the test chooses.

#![allow(dead_code, unreachable_pub, reason = "each test file includes this and uses its part")]

use std::fs::{self, Permissions};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use engineio::server::spawn;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A certificate for `localhost` and its key, in two files of a folder.
pub struct Files {
    pub certificate: PathBuf,
    pub key: PathBuf,
    pub der: CertificateDer<'static>,
}

impl Files {
    pub fn write(folder: &Path, name: &str) -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let certificate = folder.join(format!("{name}.pem"));
        let key = folder.join(format!("{name}.key"));
        put(&certificate, &made.cert.pem());
        put(&key, &made.signing_key.serialize_pem());
        Self { certificate, key, der: made.cert.der().clone() }
    }

    /// As the settings of a server, their names without the `ROLLCALL_` before them.
    pub fn settings(&self) -> [(&'static str, &str); 2] {
        [
            ("HTTP__TLS_CERTIFICATE_FILE", self.certificate.to_str().unwrap()),
            ("HTTP__TLS_KEY_FILE", self.key.to_str().unwrap()),
        ]
    }
}

/// In one step and for its owner only, as a program that renews certificates does.
pub fn put(path: &Path, text: &str) {
    let beside = path.with_extension("new");
    fs::write(&beside, text).unwrap();
    fs::set_permissions(&beside, Permissions::from_mode(0o600)).unwrap();
    fs::rename(&beside, path).unwrap();
}

/// What a client of this test speaks, that trusts these certificates and no others.
pub fn client(
    trusted: &[&CertificateDer<'static>],
    versions: &[&'static SupportedProtocolVersion],
    protocols: &[&str],
) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    trusted.iter().for_each(|certificate| roots.add((*certificate).clone()).unwrap());
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let builder = builder.with_protocol_versions(versions).unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    Arc::new(config)
}

/// One handshake, with at most `piece` bytes a read and a write.
pub async fn shake(
    address: SocketAddr,
    config: &Arc<ClientConfig>,
    piece: usize,
) -> io::Result<TlsStream<Piecemeal>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(config.clone()).connect(name, Piecemeal { stream, piece }).await
}

/// Listens in the clear; gives where.
pub async fn relay(server: SocketAddr, config: Arc<ClientConfig>, piece: usize) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    spawn(async move {
        loop {
            let (mut inner, _) = listener.accept().await.unwrap();
            inner.set_nodelay(true).unwrap();
            let config = config.clone();
            spawn(async move {
                let mut outer = shake(server, &config, piece).await.unwrap();
                // However it ends, both ends see it.
                let _ = tokio::io::copy_bidirectional(&mut inner, &mut outer).await;
            });
        }
    });
    address
}

/// A socket that gives and takes a few bytes at a time.
#[derive(Debug)]
pub struct Piecemeal {
    stream: TcpStream,
    piece: usize,
}

impl AsyncRead for Piecemeal {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let piece = self.piece.min(buffer.remaining());
        let mut bytes = vec![0; piece];
        let mut some = ReadBuf::new(&mut bytes);
        let read = Pin::new(&mut self.stream).poll_read(context, &mut some);
        buffer.put_slice(some.filled());
        read
    }
}

impl AsyncWrite for Piecemeal {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let piece = self.piece.min(bytes.len());
        Pin::new(&mut self.stream).poll_write(context, &bytes[..piece])
    }
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
