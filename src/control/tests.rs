//! What the room promises.
