//! An App's private key is usable or refused when it is configured; its text is never shown.

use crate::config::Secret;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
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

/// Why a text is no private key of a GitHub App. Nothing of the text is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// No `-----BEGIN …-----`, nor base64 of one.
    #[error("expected a private key in PEM form, or base64 of it")]
    NotPem,
    /// The end is missing, or what is in between is not base64.
    #[error("the private key is cut off or damaged")]
    Damaged,
    /// It needs a passphrase.
    #[error("the private key is encrypted; GitHub gives out keys that are not")]
    Encrypted,
    /// A certificate, a public key, a key of OpenSSH or of another kind.
    #[error("expected an RSA private key as GitHub gives it out, not another kind of key")]
    Kind,
    /// It decodes, but is no RSA key of 2048 to 4096 bits.
    #[error("the private key is not a valid RSA key of 2048 to 4096 bits")]
    Invalid,
}

/// An RSA private key, known to be usable. Wiped when dropped.
#[derive(Clone)]
pub struct AppKey(Zeroizing<Vec<u8>>);

impl fmt::Debug for AppKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AppKey(redacted)")
    }
}

impl AppKey {
    /// Reads PKCS#1 or PKCS#8 in PEM form. Newlines may be real, written as `\n`, or turned into blanks by what
    /// carried the variable; or the whole PEM may be base64 once more.
    ///
    /// # Errors
    /// The first reason why it is no such key.
    pub fn parse(text: &Secret) -> Result<AppKey, KeyFault> {
        let der = if text.expose().contains("-----BEGIN ") {
            unarmour(text.expose())?
        } else {
            let bare = bare(text.expose());
            let inner =
                decode(&bare).and_then(|bytes| String::from_utf8(bytes).ok()).ok_or(KeyFault::NotPem)?;
            let inner = Zeroizing::new(inner);
            if !inner.contains("-----BEGIN ") {
                return Err(KeyFault::NotPem);
            }
            unarmour(&inner)?
        };
        key_pair(&der).ok_or(KeyFault::Invalid)?;
        Ok(AppKey(der))
    }

    /// A JSON Web Token (RFC 7519) with these claims, signed with RS256.
    pub(super) fn sign(&self, claims: &impl Serialize) -> Secret {
        // Installed once per process; a second installation is refused and changes nothing.
        let _ = PROVIDER.install_default();
        let key = EncodingKey::from_rsa_der(&self.0);
        let token = jsonwebtoken::encode(&Header::new(Algorithm::RS256), claims, &key);
        Secret::new(token.expect("the key was proven when it was parsed, the claims are plain JSON"))
    }
}

/// The bytes between the two lines of the armour.
fn unarmour(text: &str) -> Result<Zeroizing<Vec<u8>>, KeyFault> {
    let (_, rest) = text.split_once("-----BEGIN ").ok_or(KeyFault::NotPem)?;
    let (label, rest) = rest.split_once("-----").ok_or(KeyFault::Damaged)?;
    match label {
        "RSA PRIVATE KEY" | "PRIVATE KEY" => {}
        "ENCRYPTED PRIVATE KEY" => return Err(KeyFault::Encrypted),
        _ => return Err(KeyFault::Kind),
    }
    let (body, _) = rest.split_once("-----END ").ok_or(KeyFault::Damaged)?;
    if body.contains("ENCRYPTED") {
        return Err(KeyFault::Encrypted);
    }
    decode(&bare(body)).map(Zeroizing::new).ok_or(KeyFault::Damaged)
}

/// Without any kind of newline or blank.
fn bare(text: &str) -> Zeroizing<String> {
    let text = Zeroizing::new(text.replace("\\r", "").replace("\\n", ""));
    Zeroizing::new(text.split_whitespace().collect())
}

fn decode(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).or_else(|_| STANDARD_NO_PAD.decode(text)).ok()
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
