//! Certificates and keys in PEM, and what is wrong with them. Files are not read here.

use sha2::{Digest, Sha256};
use std::{io, sync::Arc};
use tokio_rustls::rustls::{
    Error, InconsistentKeys, RootCertStore,
    crypto::ring,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
    sign::CertifiedKey,
};

/// What is in the files of a certificate and its key. Not to be shown: one of them is a key.
pub struct Pem {
    /// Of the certificate's file.
    pub cert: Vec<u8>,
    /// Of the key's file.
    pub key: Vec<u8>,
}

/// Tells one content of files, or one failure to read them, from another.
pub type Mark = [u8; 32];

/// The mark of what was found in files.
pub fn mark<'a>(found: Result<impl IntoIterator<Item = &'a Vec<u8>>, &io::Error>) -> Mark {
    let digest = match found {
        Ok(contents) => {
            let all = contents.into_iter();
            all.fold(Sha256::new_with_prefix([0]), |digest, bytes| digest.chain_update(Sha256::digest(bytes)))
        }
        Err(error) => Sha256::new_with_prefix([1]).chain_update(error.to_string()),
    };
    digest.finalize().into()
}

/// Why certificates and keys cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PemError {
    /// The certificate's file has none.
    #[error(
        "there is no certificate in it; PEM is wanted: `-----BEGIN CERTIFICATE-----`, first its own and then those that lead to an authority"
    )]
    NoCertificate,
    /// It has something that is none.
    #[error("the certificate in it cannot be read")]
    BadCertificate,
    /// The file of authorities has none.
    #[error("there is no certificate of an authority in it; PEM is wanted: `-----BEGIN CERTIFICATE-----`")]
    NoAuthority,
    /// It has something that is none.
    #[error("a certificate in it cannot be read")]
    BadAuthority,
    /// The key's file has none.
    #[error("there is no private key in it; PEM is wanted: `-----BEGIN PRIVATE KEY-----`")]
    NoKey,
    /// It has one that only a password opens.
    #[error("the private key in it is encrypted; store it without a password: `openssl pkey -in encrypted.key -out plain.key`")]
    EncryptedKey,
    /// It has something that is none.
    #[error(
        "the private key in it cannot be read or is of a kind that is not known; RSA of 2048 bits and more, ECDSA on P-256 or P-384 and Ed25519 are"
    )]
    BadKey,
    /// It is the key of another certificate.
    #[error("the private key in it is not that of the certificate; give the two files that were issued together")]
    Mismatch,
}

impl PemError {
    /// Whether it is the certificate's file that is wrong.
    pub fn is_of_certificate(&self) -> bool {
        match self {
            Self::NoCertificate | Self::BadCertificate | Self::NoAuthority | Self::BadAuthority => true,
            Self::NoKey | Self::EncryptedKey | Self::BadKey | Self::Mismatch => false,
        }
    }
}

impl Pem {
    /// The certificate with its key.
    ///
    /// # Errors
    /// Why they cannot be used.
    pub fn identity(&self) -> Result<CertifiedKey, PemError> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&self.cert).collect::<Result<_, _>>().map_err(|_| PemError::BadCertificate)?;
        if chain.is_empty() {
            return Err(PemError::NoCertificate);
        }
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(|error| match error {
            pem::Error::NoItemsFound if is_encrypted(&self.key) => PemError::EncryptedKey,
            pem::Error::NoItemsFound => PemError::NoKey,
            _ => PemError::BadKey,
        })?;
        CertifiedKey::from_der(chain, key, &ring::default_provider()).map_err(|error| match error {
            Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => PemError::Mismatch,
            Error::InvalidCertificate(_) => PemError::BadCertificate,
            _ => PemError::BadKey,
        })
    }
}

/// The authorities in a file.
///
/// # Errors
/// There is none, or something that is none.
pub fn authorities(pem: &[u8]) -> Result<Arc<RootCertStore>, PemError> {
    let mut roots = RootCertStore::empty();
    for found in CertificateDer::pem_slice_iter(pem) {
        let found = found.map_err(|_| PemError::BadAuthority)?;
        roots.add(found).map_err(|_| PemError::BadAuthority)?;
    }
    if roots.is_empty() { Err(PemError::NoAuthority) } else { Ok(Arc::new(roots)) }
}

fn is_encrypted(key: &[u8]) -> bool {
    const WORD: &[u8] = b"ENCRYPTED";
    key.windows(WORD.len()).any(|window| window == WORD)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CERT: &[u8] = include_bytes!("../../tests/data/tls/localhost.pem");
    const KEY: &[u8] = include_bytes!("../../tests/data/tls/localhost.key");
    const OTHER_KEY: &[u8] = include_bytes!("../../tests/data/tls/server.key");

    #[test]
    fn what_cannot_be_used_is_named_by_its_cause() {
        let broken = [&CERT[..100], b"!\n-----END CERTIFICATE-----\n"].concat();
        let no_der = b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        let encrypted = b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
        for (cert, key, wanted) in [
            (CERT, KEY, None),
            (b"", KEY, Some(PemError::NoCertificate)),
            (KEY, KEY, Some(PemError::NoCertificate)),
            (&broken, KEY, Some(PemError::BadCertificate)),
            (CERT, CERT, Some(PemError::NoKey)),
            (CERT, encrypted, Some(PemError::EncryptedKey)),
            (CERT, no_der, Some(PemError::BadKey)),
            (CERT, OTHER_KEY, Some(PemError::Mismatch)),
        ] {
            let pem = Pem { cert: cert.to_vec(), key: key.to_vec() };
            assert_eq!(pem.identity().err(), wanted, "{}", String::from_utf8_lossy(cert));
        }
    }

    #[test]
    fn authorities_are_taken_all_or_none() {
        let authority = include_bytes!("../../tests/data/tls/ca.pem");
        let two = [&authority[..], CERT].concat();
        let half = [&authority[..], b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"].concat();
        assert_eq!(authorities(&two).map(|roots| roots.len()), Ok(2));
        for (pem, wrong) in [
            (&half[..], PemError::BadAuthority),
            (&authority[..100], PemError::BadAuthority),
            (KEY, PemError::NoAuthority),
            (b"", PemError::NoAuthority),
        ] {
            assert_eq!(authorities(pem).err(), Some(wrong), "{}", String::from_utf8_lossy(pem));
        }
    }
}
