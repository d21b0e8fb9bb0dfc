//! The tokens that this gateway made, as a file: their names, bounds and keyed hashes, never the
//! tokens themselves. The key is in a file of its own.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;
use std::time::SystemTime;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::Serialize;

use crate::auth::Credential;
use crate::auth::Source;
use crate::auth::token;
use crate::auth::token::Token;
use crate::config::patterns::Patterns;
use crate::disk::document;
use crate::disk::document::Document;
use crate::disk::file;
use crate::disk::file::Outlives;
use crate::disk::key;
use crate::disk::key::Format;
use crate::disk::lock::Lock;
use crate::disk::shared;
use crate::exchange::principal::Bounds;
use crate::exchange::principal::Identity;
use crate::exchange::principal::Principal;

/// The file of the tokens.
const TOKENS: &str = "tokens.json";
/// The file of the key that their hashes are made with.
const KEY: &str = "key";
/// How that key stands in its file.
const FORMAT: Format<hmac::Key> = Format { name: "key", parse: parse_key };
/// What is locked while the tokens are changed.
const LOCK: &str = "lock";
/// How long others may have it, which they do for one write to the disk.
const LOCK_LIMIT: Duration = Duration::from_secs(5);
/// How the file is written.
const VERSION: u32 = 1;

/// Why tokens cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system has no random numbers to give.
    #[error("cannot make a token: the system has no random numbers")]
    Randomness(#[from] getrandom::Error),
    /// One of the files cannot be read or written.
    #[error(transparent)]
    Disk(#[from] document::Error),
    /// Something else about them cannot be done.
    #[error("`{path}`", path = path.display())]
    Io {
        /// What cannot be used.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// A file is not as it was written.
    #[error("`{path}` is damaged: {reason}", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// There is a token of this name.
    #[error("there is a token `{0}` already")]
    Taken(String),
    /// There is none.
    #[error("there is no token `{0}`, or it was revoked before")]
    Unknown(String),
}

/// Where the tokens are.
#[derive(Clone, Debug)]
pub struct Store {
    directory: PathBuf,
}

/// What is known of a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// By which it is found.
    pub id: String,
    /// What people call it; no two that are good have the same name.
    pub name: String,
    /// Its hash under the key.
    hash: String,
    /// When it was made.
    #[serde(with = "moment")]
    pub created: Option<SystemTime>,
    /// When it ends, if it ever does.
    #[serde(default, with = "moment", skip_serializing_if = "Option::is_none")]
    pub expires: Option<SystemTime>,
    /// When it was revoked, if it was.
    #[serde(default, with = "moment", skip_serializing_if = "Option::is_none")]
    pub revoked: Option<SystemTime>,
    /// What its holder is and may see.
    #[serde(flatten)]
    pub scope: Scope,
}

/// What the holder of a token is and may see.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// The groups its holder is in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// The profiles its holder may look through; every view if there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub profiles: Vec<String>,
    /// Patterns of the tools its holder may see and call; all if there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<String>,
}

/// The file as it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    version: u32,
    tokens: Vec<Record>,
}

/// The tokens as they were at one moment.
#[derive(Debug)]
pub(super) struct Tokens {
    key: Option<hmac::Key>,
    by_id: HashMap<String, (Record, Principal)>,
}

impl From<key::Error> for Error {
    fn from(error: key::Error) -> Self {
        match error {
            key::Error::Unusable { path, error: cause } => Self::Io { path, cause },
            key::Error::NoKey { path, .. } => {
                Self::Damaged { path, reason: "it holds no key".to_owned() }
            }
        }
    }
}

impl Store {
    /// Tokens in this directory, which need not be there.
    pub fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// Returns where they are.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Returns where the key is that the hashes of tokens are made with.
    pub fn key_file(&self) -> PathBuf {
        self.directory.join(KEY)
    }

    /// Returns where the tokens are.
    pub fn tokens_file(&self) -> PathBuf {
        self.directory.join(TOKENS)
    }

    /// Returns what is known of every token, in the order in which they were made.
    pub fn list(&self) -> Result<Vec<Record>, Error> {
        self.read(&self.document()?)
    }

    /// Makes a token and returns it; nobody can have it a second time.
    pub fn create(
        &self,
        name: &str,
        scope: Scope,
        expires: Option<SystemTime>,
    ) -> Result<(Token, Record), Error> {
        let lock = self.lock()?;
        let document = self.document()?;
        let mut records = self.read(&document)?;
        let now = moment::in_seconds(SystemTime::now());
        if records.iter().any(|other| other.name == name && other.is_good(now)) {
            return Err(Error::Taken(name.to_owned()));
        }
        let token = Token::try_new()?;
        let record = Record {
            id: token.id().to_owned(),
            name: name.to_owned(),
            hash: token.hash(&self.key_or_new(&lock)?),
            created: Some(now),
            expires: expires.map(moment::in_seconds),
            revoked: None,
            scope,
        };
        records.push(record.clone());
        write(&document, records)?;
        Ok((token, record))
    }

    /// Revokes a token by its name or its id. It stays in the list.
    pub fn revoke(&self, wanted: &str) -> Result<Record, Error> {
        let _lock = self.lock()?;
        let document = self.document()?;
        let mut records = self.read(&document)?;
        let is_meant = |record: &&mut Record| {
            record.revoked.is_none() && (record.name == wanted || record.id == wanted)
        };
        // Of those of one name, only the last can be good.
        let found = records.iter_mut().rev().find(is_meant);
        let found = found.ok_or_else(|| Error::Unknown(wanted.to_owned()))?;
        found.revoked = Some(moment::in_seconds(SystemTime::now()));
        let revoked = found.clone();
        write(&document, records)?;
        Ok(revoked)
    }

    /// Returns the tokens as they are now.
    pub(super) fn load(&self) -> Result<Tokens, Error> {
        let records = self.list()?;
        let key = self.key()?;
        let by_id = records.into_iter().map(|record| {
            let principal = record.principal().map_err(|reason| self.damaged(reason))?;
            Ok((record.id.clone(), (record, principal)))
        });
        Ok(Tokens { key, by_id: by_id.collect::<Result<_, Error>>()? })
    }

    /// Returns what differs when the tokens do; nothing if there are none.
    pub(super) fn stamp(&self) -> Option<(SystemTime, u64)> {
        let about = std::fs::metadata(self.tokens_file()).ok()?;
        Some((about.modified().ok()?, about.len()))
    }

    fn document(&self) -> Result<Document, Error> {
        Ok(Document::read(&self.tokens_file())?)
    }

    fn read(&self, document: &Document) -> Result<Vec<Record>, Error> {
        let Some(text) = document.text()? else { return Ok(Vec::new()) };
        let written = shared::decoded(text.as_bytes(), VERSION);
        let Written { tokens, .. } = written.map_err(|error| self.damaged(error.to_string()))?;
        Ok(tokens)
    }

    fn damaged(&self, reason: String) -> Error {
        Error::Damaged { path: self.tokens_file(), reason }
    }

    /// Keeps others from changing the tokens until what is returned is dropped.
    fn lock(&self) -> Result<Lock, Error> {
        let path = self.directory.join(LOCK);
        Lock::take(&path, LOCK_LIMIT).map_err(|cause| Error::Io { path, cause })
    }

    fn key(&self) -> Result<Option<hmac::Key>, Error> {
        Ok(key::find(&self.key_file(), &FORMAT)?)
    }

    /// Returns the key, which is made if there is none: nobody else does so under the lock.
    fn key_or_new(&self, _lock: &Lock) -> Result<hmac::Key, Error> {
        if let Some(key) = self.key()? {
            return Ok(key);
        }
        let mut bytes = [0; token::KEY_SIZE];
        getrandom::fill(&mut bytes)?;
        let (path, text) = (self.key_file(), URL_SAFE_NO_PAD.encode(bytes));
        file::write(&path, text.as_bytes(), Outlives::Power)
            .map_err(|cause| Error::Io { path, cause })?;
        Ok(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
    }
}

fn parse_key(text: &[u8]) -> Option<hmac::Key> {
    let bytes = URL_SAFE_NO_PAD.decode(text.trim_ascii()).ok()?;
    (bytes.len() == token::KEY_SIZE).then(|| hmac::Key::new(hmac::HMAC_SHA256, &bytes))
}

fn write(document: &Document, tokens: Vec<Record>) -> Result<(), Error> {
    let written = Written { version: VERSION, tokens };
    let mut text = serde_json::to_string_pretty(&written).unwrap_or_default();
    text.push('\n');
    Ok(document.replace(text.as_bytes())?)
}

impl Record {
    /// Returns whether it is good now.
    pub fn is_good(&self, now: SystemTime) -> bool {
        self.revoked.is_none() && self.expires.is_none_or(|expires| now < expires)
    }

    /// Returns what its holder is called in rules and records.
    pub fn principal_name(&self) -> String {
        format!("token:{}", self.name)
    }

    /// Returns who its holder is.
    fn principal(&self) -> Result<Principal, String> {
        let Scope { groups, profiles, tools } = &self.scope;
        let read = |tools: &[String]| {
            let tools = Patterns::of_names(tools.iter().map(String::as_str));
            tools.map_err(|error| format!("the tools of `{}`: {error}", self.name))
        };
        let tools = (!tools.is_empty()).then(|| read(tools)).transpose()?;
        let profiles = (!profiles.is_empty()).then(|| profiles.clone());
        Ok(Principal::from(Identity {
            name: self.principal_name(),
            groups: groups.clone(),
            actor: None,
            bounds: Bounds { profiles, tools },
        }))
    }
}

impl Tokens {
    /// Returns whose a token is.
    pub(super) fn find(&self, token: &Token, now: SystemTime) -> Result<Credential, &'static str> {
        let found = self.by_id.get(token.id()).zip(self.key.as_ref());
        let ((record, principal), key) = found.ok_or("no token has its id")?;
        if !token.has_hash(key, &record.hash) {
            return Err("its secret is another one");
        }
        if record.revoked.is_some() {
            return Err("it was revoked");
        }
        if !record.is_good(now) {
            return Err("it has expired");
        }
        let source = Source::Own(record.id.as_str().into());
        let (principal, until) = (principal.clone(), record.expires);
        Ok(Credential { principal, scopes: None, until, source })
    }

    /// Returns whether the token with this id is good.
    pub(super) fn is_good(&self, id: &str, now: SystemTime) -> bool {
        self.by_id.get(id).is_some_and(|(record, _)| record.is_good(now))
    }

    /// Returns whether there is any that is good.
    pub(super) fn has_any(&self, now: SystemTime) -> bool {
        self.by_id.values().any(|(record, _)| record.is_good(now))
    }
}

impl Default for Tokens {
    /// There are none.
    fn default() -> Self {
        Self { key: None, by_id: HashMap::new() }
    }
}

/// Moments as files have them (RFC 3339, in seconds).
mod moment {
    use std::time::Duration;
    use std::time::SystemTime;

    use serde::Deserialize as _;
    use serde::Deserializer;
    use serde::Serializer;
    use serde::de;

    /// Returns a moment as it is once it was written.
    pub(super) fn in_seconds(moment: SystemTime) -> SystemTime {
        let since = moment.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs())
    }

    #[expect(clippy::ref_option, reason = "serde calls it so")]
    pub(super) fn serialize<S: Serializer>(
        moment: &Option<SystemTime>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match moment {
            Some(moment) => serializer.collect_str(&humantime::format_rfc3339_seconds(*moment)),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<SystemTime>, D::Error> {
        let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
        humantime::parse_rfc3339(&text).map(Some).map_err(de::Error::custom)
    }
}
