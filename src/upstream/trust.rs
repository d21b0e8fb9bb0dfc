//! Why the certificate of a server is not trusted, in words that a person can act on.

use std::error;
use std::io;
use std::time::Duration;

use rustls::CertificateError;
use rustls::InvalidMessage;

/// How webpki calls a certificate of an authority in the place of a server's own; rustls has no
/// name for it, and passes it on as the text of another error.
const AUTHORITY: &str = "CaUsedAsEndEntity";
const DAY: Duration = Duration::from_hours(24);
/// How many of the names of a certificate are shown.
const NAMES: usize = 5;

/// Why nothing came of a connection with TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The certificate of the server is not trusted.
    Untrusted(Distrust),
    /// The server speaks no TLS.
    NoTls,
}

/// Why a certificate is not trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distrust {
    /// Nobody this machine trusts has signed it.
    Signer,
    /// It is that of an authority, which no server may use for itself (RFC 5280, 4.2.1.9).
    Authority,
    /// Its time is over, or has not come.
    Time,
    /// It is for other names.
    Name,
    /// Anything else.
    Other,
}

impl Distrust {
    /// Returns what a person can do about it.
    pub(super) fn advice(self) -> &'static str {
        match self {
            Self::Signer => {
                "if it is signed by an authority of your own, or by itself, name that \
                 certificate: `tls: { ca: FILE }`; otherwise ask whoever runs the server"
            }
            Self::Authority => {
                "give the server a certificate of its own, signed by that authority, or one made \
                 by `openssl req -x509 -addext basicConstraints=critical,CA:FALSE`; \
                 `tls: { ca: FILE }` names who signed it"
            }
            Self::Time => {
                "check the clock of this machine; if it is right, whoever runs the server must \
                 renew the certificate"
            }
            Self::Name => {
                "write a name into `url` that the certificate is for, or have one made for this \
                 name"
            }
            Self::Other => "ask whoever runs the server for a certificate that can be used",
        }
    }
}

/// Says why a connection came to nothing, if that is because of TLS, as a fragment.
pub(super) fn explain(error: &(dyn error::Error + 'static)) -> Option<(Trouble, String)> {
    match tls(error)? {
        rustls::Error::InvalidCertificate(error) => {
            let (distrust, why) = certificate(error);
            Some((Trouble::Untrusted(distrust), why))
        }
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            let why =
                "what answers there speaks no TLS; without it, addresses begin with `http://`";
            Some((Trouble::NoTls, why.to_owned()))
        }
        _ => None,
    }
}

/// Finds what TLS says among the causes of an error.
fn tls<'e>(error: &'e (dyn error::Error + 'static)) -> Option<&'e rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        // The cause of an error of IO is that of the error in it, which is passed over.
        let inside = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(found) = inside.and_then(|inside| tls(inside)) {
            return Some(found);
        }
        next = error.source();
    }
    None
}

fn certificate(error: &CertificateError) -> (Distrust, String) {
    use CertificateError as Error;
    match error {
        Error::UnknownIssuer => {
            (Distrust::Signer, "nobody that this machine trusts has signed it".to_owned())
        }
        Error::Other(other) if format!("{other:?}").contains(AUTHORITY) => {
            let why = "it is the certificate of an authority, which is none for a server";
            (Distrust::Authority, why.to_owned())
        }
        Error::Expired => (Distrust::Time, "it has expired".to_owned()),
        Error::ExpiredContext { time, not_after } => {
            let ago = time.as_secs().saturating_sub(not_after.as_secs()) / DAY.as_secs();
            (Distrust::Time, format!("it has expired {} ago", days(ago)))
        }
        Error::NotValidYet => (Distrust::Time, "it is not valid yet".to_owned()),
        Error::NotValidYetContext { time, not_before } => {
            let wait = not_before.as_secs().saturating_sub(time.as_secs()) / DAY.as_secs();
            (Distrust::Time, format!("it becomes valid in {}", days(wait)))
        }
        Error::NotValidForName => (Distrust::Name, "it is for other names".to_owned()),
        Error::NotValidForNameContext { expected, presented } => {
            let why = format!("it is for {}, not for `{}`", names(presented), expected.to_str());
            (Distrust::Name, why)
        }
        other => (Distrust::Other, other.to_string()),
    }
}

fn days(count: u64) -> String {
    match count {
        0 => "less than a day".to_owned(),
        1 => "1 day".to_owned(),
        count => format!("{count} days"),
    }
}

/// Lists names, which come as `DnsName("example.com")`.
fn names(presented: &[String]) -> String {
    let bare = |name: &String| match name.split('"').nth(1) {
        Some(inside) => format!("`{inside}`"),
        None => format!("`{name}`"),
    };
    let mut shown: Vec<_> = presented.iter().take(NAMES).map(bare).collect();
    match presented.len().saturating_sub(NAMES) {
        0 if shown.is_empty() => return "no name at all".to_owned(),
        0 => {}
        more => shown.push(format!("{more} more")),
    }
    shown.join(", ")
}
