//! TLS 1.3 with raw public keys (RFC 7250) at both ends. There are no certificates or names; whole keys are
//! compared.
//!
//! The receiver decides in the handshake who may connect, so a stranger cannot open a stream.

use std::fmt::Debug;
use std::sync::Arc;

use rustls::client::AlwaysResolvesClientRawPublicKeys;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{AlwaysResolvesServerRawPublicKeys, NoServerSessionStorage};
use rustls::sign::CertifiedKey;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, PeerIncompatible, ServerConfig,
    SignatureScheme,
};

use crate::identity::Identity;
use crate::{Error, PublicKey, Result};

/// The protocol's name in the handshake.
pub const ALPN: &[u8] = b"aec/1";
/// QUIC requires a server name; it is not sent.
pub const SERVER_NAME: &str = "aecodec";
/// Label of the exported keying material that a new key signs (RFC 5705).
pub const ENROL_LABEL: &[u8] = b"aec/1 enrol";

/// DER of an Ed25519 SubjectPublicKeyInfo up to the key (RFC 8410).
const SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// DER of an Ed25519 PKCS #8 private key up to the secret (RFC 8410).
const PKCS8: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// Decides who may connect.
pub trait Admit: Debug + Send + Sync {
    /// Whether a sender that has proved to hold this key may connect. Called during the handshake.
    fn admits(&self, key: &PublicKey) -> bool;
}

/// The sender's side: it has `identity` and accepts `receiver` alone.
///
/// # Errors
/// Returns an error if the cryptographic library refuses the key.
pub fn client(identity: &Identity, receiver: PublicKey) -> Result<ClientConfig> {
    let provider = Arc::new(ring::default_provider());
    let verifier = Arc::new(Verifier::new(&provider, receiver));
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(crypto)?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(certified(identity)?)));
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.enable_sni = false;
    // A resumed session would skip the receiver's decision.
    config.resumption = rustls::client::Resumption::disabled();
    Ok(config)
}

/// The receiver's side.
///
/// # Errors
/// Returns an error if the cryptographic library refuses the key.
pub fn server(identity: &Identity, admit: Arc<dyn Admit>) -> Result<ServerConfig> {
    let provider = Arc::new(ring::default_provider());
    let verifier = Arc::new(Verifier::new(&provider, admit));
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(crypto)?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(certified(identity)?)));
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(config)
}

/// The key of a peer from what its handshake presented.
pub fn key_of(spki: &[u8]) -> Option<PublicKey> {
    let key = spki.strip_prefix(&SPKI)?;
    key.try_into().ok().map(PublicKey)
}

fn certified(identity: &Identity) -> Result<Arc<CertifiedKey>> {
    let private = [PKCS8.as_slice(), identity.seed()].concat();
    let key = ring::sign::any_eddsa_type(&PrivatePkcs8KeyDer::from(private)).map_err(crypto)?;
    let public = CertificateDer::from([SPKI.as_slice(), &identity.public().0].concat());
    Ok(Arc::new(CertifiedKey::new(vec![public], key)))
}

fn crypto(error: rustls::Error) -> Error {
    Error::Crypto(error.to_string())
}

/// Checks the peer's key as `Who` says, and that the peer holds it.
#[derive(Debug)]
struct Verifier<Who> {
    algorithms: WebPkiSupportedAlgorithms,
    who: Who,
}

impl<Who> Verifier<Who> {
    fn new(provider: &CryptoProvider, who: Who) -> Self {
        Self { algorithms: provider.signature_verification_algorithms, who }
    }

    fn signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let key = SubjectPublicKeyInfoDer::from(key.as_ref());
        verify_tls13_signature_with_raw_key(message, &key, signed, &self.algorithms)
    }
}

/// A raw key comes alone: nothing may be stapled to it.
fn presented(key: &CertificateDer<'_>, others: &[CertificateDer<'_>]) -> Result<PublicKey, rustls::Error> {
    if !others.is_empty() {
        return Err(CertificateError::BadEncoding.into());
    }
    key_of(key).ok_or_else(|| CertificateError::BadEncoding.into())
}

fn no_tls12() -> rustls::Error {
    PeerIncompatible::Tls12NotOffered.into()
}

impl ServerCertVerifier for Verifier<PublicKey> {
    fn verify_server_cert(
        &self,
        key: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if presented(key, others)? != self.who {
            return Err(CertificateError::ApplicationVerificationFailure.into());
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(no_tls12())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.signature(message, key, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

impl ClientCertVerifier for Verifier<Arc<dyn Admit>> {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        key: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        if !self.who.admits(&presented(key, others)?) {
            return Err(CertificateError::ApplicationVerificationFailure.into());
        }
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(no_tls12())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.signature(message, key, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}
