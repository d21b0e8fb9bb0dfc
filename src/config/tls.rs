//! The checks of the certificate that HTTPS is served with, and of its key.

use std::fmt;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::sign::CertifiedKey;

use crate::config::Tls;
use crate::config::file;
use crate::config::interpolate;
use crate::config::problem::KeyPath;
use crate::config::units::Misread;
use crate::config::validate::Check;

/// The largest file of certificates or keys that is read, in bytes; all authorities of the web
/// are a fifth of it.
const MAX_PEM: u64 = 1 << 20;
/// What a key begins with that only a password opens.
const LOCKED: &str = "ENCRYPTED";

/// A certificate and a key that belong together, ready to be used.
#[derive(Clone)]
pub struct Identity(Arc<CertifiedKey>);

impl Identity {
    /// Returns what TLS needs.
    pub fn certified_key(&self) -> &Arc<CertifiedKey> {
        &self.0
    }
}

impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        // One certificate has one key.
        self.0.cert == other.0.cert
    }
}

impl Eq for Identity {}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("certificates", &self.0.cert.len()).finish_non_exhaustive()
    }
}

/// A file of the configuration and what is in it.
struct Pem {
    /// As it was written.
    written: String,
    path: PathBuf,
    bytes: Vec<u8>,
}

impl Check<'_> {
    /// Checks certificate and key; nothing comes of them if they cannot be used.
    pub(super) fn tls(&mut self, written: &file::Tls, path: &KeyPath) -> Option<Tls> {
        let (given, missing) = match (&written.cert, &written.key) {
            (None, None) => return None,
            (Some(cert), Some(key)) => return self.pair(cert, key, path),
            (Some(_), None) => ("cert", "key"),
            (None, Some(_)) => ("key", "cert"),
        };
        let message = format!("`{path}.{given}` is of no use without `{path}.{missing}`");
        self.wrong(&path.key(given), message, &format!("add `{missing}`"));
        None
    }

    fn pair(&mut self, cert: &str, key: &str, path: &KeyPath) -> Option<Tls> {
        let (at_cert, at_key) = (path.key("cert"), path.key("key"));
        let (cert, key) = (self.pem(cert, &at_cert), self.pem(key, &at_key));
        let (cert, key) = (cert?, key?);
        if let Some(misread) = swapped(&cert, &key, path) {
            self.refuse(&at_cert, misread);
            return None;
        }
        let chain = cert.chain().map_err(|misread| self.refuse(&at_cert, misread));
        let secret = key.secret().map_err(|misread| self.refuse(&at_key, misread));
        let provider = aws_lc_rs::default_provider();
        match CertifiedKey::from_der(chain.ok()?, secret.ok()?, &provider) {
            Ok(identity) => {
                let identity = Identity(Arc::new(identity));
                Some(Tls { cert: cert.path, key: key.path, identity })
            }
            Err(error) => {
                self.refuse(&at_key, unusable(&error, &cert, &key));
                None
            }
        }
    }

    /// Reads a file whose path may start at the directory of its configuration.
    fn pem(&mut self, text: &str, path: &KeyPath) -> Option<Pem> {
        let place = self.context.places.value(path);
        let written = self.expand_openly(text, path, &place, false).text;
        let directory = self.directory(&place).to_owned();
        let read = interpolate::resolve(&written, &self.sources(&directory)).and_then(|path| {
            let bytes = read(&path).map_err(|why| Misread {
                message: format!("the file `{written}` {why}"),
                hint: "name a file in the PEM format that Conflux may read".to_owned(),
            })?;
            Ok(Pem { written, path, bytes })
        });
        read.map_err(|misread| self.refuse(path, misread)).ok()
    }

    fn refuse(&mut self, path: &KeyPath, misread: Misread) {
        self.wrong(path, misread.message, &misread.hint);
    }
}

impl Pem {
    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, String> {
        let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.bytes).collect();
        all.map_err(|error| error.to_string())
    }

    fn chain(&self) -> Result<Vec<CertificateDer<'static>>, Misread> {
        let misread = |why: &str| Misread {
            message: format!("the file `{}` {why}", self.written),
            hint: "name a file with the certificate of this gateway and those that lead to its \
                   root, in the PEM format"
                .to_owned(),
        };
        match self.certificates() {
            Ok(all) if all.is_empty() => Err(misread("holds no certificate")),
            Ok(all) => Ok(all),
            Err(error) => Err(misread(&format!("cannot be read as certificates: {error}"))),
        }
    }

    fn secret(&self) -> Result<PrivateKeyDer<'static>, Misread> {
        PrivateKeyDer::from_pem_slice(&self.bytes).map_err(|_| {
            if String::from_utf8_lossy(&self.bytes).contains(LOCKED) {
                return Misread {
                    message: format!("the key in `{}` is locked by a password", self.written),
                    hint: "unlock it: `openssl pkey -in LOCKED.pem -out KEY.pem`".to_owned(),
                };
            }
            Misread {
                message: format!("the file `{}` holds no private key", self.written),
                hint: "name the file with the private key of the certificate, in the PEM format"
                    .to_owned(),
            }
        })
    }
}

/// Reads a file of certificates or keys; says what is wrong with it as the end of a sentence.
pub(super) fn read(file: &Path) -> Result<Vec<u8>, &'static str> {
    let about = fs::metadata(file).map_err(|_| "cannot be found")?;
    if !about.is_file() || about.len() > MAX_PEM {
        return Err("is not a file of at most 1MiB");
    }
    fs::read(file).map_err(|_| "cannot be read")
}

/// Recognizes a certificate in the place of the key, and the key in that of the certificate.
fn swapped(cert: &Pem, key: &Pem, path: &KeyPath) -> Option<Misread> {
    let has_key = |pem: &Pem| pem.secret().is_ok();
    let has_certificate = |pem: &Pem| pem.certificates().is_ok_and(|all| !all.is_empty());
    let is_swapped =
        has_key(cert) && !has_certificate(cert) && has_certificate(key) && !has_key(key);
    is_swapped.then(|| Misread {
        message: format!("`{path}.cert` names the key, and `{path}.key` the certificate"),
        hint: "exchange the two".to_owned(),
    })
}

fn unusable(error: &rustls::Error, cert: &Pem, key: &Pem) -> Misread {
    let (cert, key) = (&cert.written, &key.written);
    match error {
        rustls::Error::InconsistentKeys(_) => Misread {
            message: format!("the key in `{key}` does not belong to the certificate in `{cert}`"),
            hint: "name the key that the certificate was made for; the gateway's own certificate \
                   must be the first in its file"
                .to_owned(),
        },
        error => Misread {
            message: format!("`{cert}` and `{key}` cannot be used: {error}"),
            hint: "name a certificate and its key, ECDSA, Ed25519 or RSA of 2048 bits and more"
                .to_owned(),
        },
    }
}
