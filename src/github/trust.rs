//! A server is believed if an authority that we trust vouches for it, or if its very certificate is one that we trust.
//!
//! The second is a self-signed certificate in `SSL_CERT_FILE`, as GitHub Enterprise Server makes it and `curl` takes it. `webpki`
//! finds that an authority's certificate is no server's; that whoever set it up means this very one, the store tells.

use ring::digest::{SHA256, digest};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme};
use std::collections::HashSet;
use std::sync::Arc;

/// Whom to believe.
#[derive(Debug)]
pub(super) struct Trust {
    chains: Arc<WebPkiServerVerifier>,
    /// SHA-256 of each certificate in the store: 32 bytes stand for some thousand.
    known: HashSet<Vec<u8>>,
}

impl Trust {
    /// Of these certificates. `None` if there is not one among them that can be read.
    pub(super) fn of(certs: Vec<CertificateDer<'static>>, provider: Arc<CryptoProvider>) -> Option<Trust> {
        let known = certs.iter().map(|cert| fingerprint(cert)).collect();
        let mut store = RootCertStore::empty();
        // One odd certificate in a system's store must not make the others useless.
        store.add_parsable_certificates(certs);
        let chains = WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider).build().ok()?;
        Some(Trust { chains, known })
    }
}

impl ServerCertVerifier for Trust {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let judged =
            self.chains.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match judged {
            // Whether it is valid now has been asked before that; what is left is whose name it bears.
            Err(error) if is_authority(&error) && self.known.contains(&fingerprint(end_entity)) => {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            judged => judged,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chains.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chains.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chains.supported_verify_schemes()
    }
}

fn fingerprint(cert: &CertificateDer<'_>) -> Vec<u8> {
    digest(&SHA256, cert).as_ref().to_vec()
}

/// What `webpki` has found, where `rustls` has no word of its own for it.
fn finding(error: &Error) -> Option<&webpki::Error> {
    match error {
        Error::InvalidCertificate(CertificateError::Other(OtherError(inner))) => inner.downcast_ref(),
        _ => None,
    }
}

fn is_authority(error: &Error) -> bool {
    finding(error) == Some(&webpki::Error::CaUsedAsEndEntity)
}

/// Why there is no TLS, in words that say what to do about the certificate where ours are plainer than the library's.
pub(super) fn in_words(error: &Error) -> String {
    match finding(error) {
        Some(webpki::Error::CaUsedAsEndEntity) => {
            "the server shows the certificate of an authority, and this very one is not trusted".into()
        }
        Some(webpki::Error::UnsupportedCertVersion) => {
            "the server's certificate is of X.509 version 1, which has no place for names: it needs one of version 3 with subjectAltName".into()
        }
        _ => error.to_string(),
    }
}
