//! Files and directories: read whole and replaced whole, kept from other users, and shared with
//! other processes without losing what they wrote.
//!
//! How that is done is said here and nowhere else; what is in a file is the business of the room
//! it belongs to.

/// Directories that nobody else can change.
pub mod directory;
/// Files of other programs, and of people.
pub mod document;
/// Files of Conflux itself.
pub mod file;
/// Keys that are kept between runs.
pub mod key;
/// Keeping other processes out for a moment.
pub mod lock;
/// Files that several processes change.
pub mod shared;
/// Waiting for a disk, but not for ever.
pub mod wait;
