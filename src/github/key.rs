//! An App's private key is usable or refused when it is configured; its text is never shown.

use crate::config::Secret;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind, Result as JwtResult};
use jsonwebtoken::signature::{self, Signer};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use ring::rand::SystemRandom;
use ring::rsa::KeyPair;
use ring::signature::RSA_PKCS1_SHA256;
use serde::Serialize;
use std::fmt;
use zeroize::Zeroizing;

/// It is no RSA key that can sign. Nothing of it is in here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the private key is not a valid RSA key of 2048 to 4096 bits")]
pub struct KeyFault;

/// An RSA private key, known to be usable. Wiped when dropped.
#[derive(Clone)]
pub struct AppKey(Zeroizing<Vec<u8>>);

impl fmt::Debug for AppKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AppKey(redacted)")
    }
}

impl AppKey {
    /// Takes PKCS#1 or PKCS#8: the base64 inside its PEM.
    ///
    /// # Errors
    /// If it is another key, or none.
    pub fn new(base64: &Secret) -> Result<AppKey, KeyFault> {
        let der = STANDARD.decode(base64.expose()).map(Zeroizing::new).map_err(|_| KeyFault)?;
        key_pair(&der).ok_or(KeyFault)?;
        Ok(AppKey(der))
    }

    /// A JSON Web Token (RFC 7519) with these claims, signed with RS256.
    pub(super) fn sign(&self, claims: &impl Serialize) -> Secret {
        // Installed once per process; a second installation is refused and changes nothing.
        let _ = PROVIDER.install_default();
        let key = EncodingKey::from_rsa_der(&self.0);
        let token = jsonwebtoken::encode(&Header::new(Algorithm::RS256), claims, &key);
        Secret::new(token.expect("the key was proven when it was taken, the claims are plain JSON"))
    }
}

fn key_pair(der: &[u8]) -> Option<KeyPair> {
    KeyPair::from_der(der).or_else(|_| KeyPair::from_pkcs8(der)).ok()
}

/// `jsonwebtoken` builds the token, `ring`, which TLS needs anyway, signs it: no second library of cryptography.
static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| match algorithm {
        Algorithm::RS256 => Ok(Box::new(Rs256::new(key)?) as Box<dyn JwtSigner>),
        _ => Err(unsupported()),
    },
    verifier_factory: |_: &Algorithm, _: &DecodingKey| -> JwtResult<Box<dyn JwtVerifier>> {
        Err(unsupported())
    },
    key_utils: KeyUtils::new_unimplemented(),
};

fn unsupported() -> Error {
    ErrorKind::InvalidAlgorithm.into()
}

struct Rs256(KeyPair);

impl Rs256 {
    fn new(key: &EncodingKey) -> JwtResult<Rs256> {
        let invalid = || Error::from(ErrorKind::InvalidRsaKey("not an RSA private key".into()));
        key_pair(key.as_bytes()).map(Rs256).ok_or_else(invalid)
    }
}

impl Signer<Vec<u8>> for Rs256 {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        let mut signature = vec![0; self.0.public().modulus_len()];
        let signed = self.0.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature);
        signed.map(|()| signature).map_err(|_| signature::Error::new())
    }
}

impl JwtSigner for Rs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::RS256
    }
}
