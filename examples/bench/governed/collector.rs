//! A collector of traces that takes everything and keeps nothing, for as long as the program runs.

use std::io;
use std::net::SocketAddr;
use std::thread;

use anyhow::Context as _;
use axum::Router;
use axum::body::Bytes;

const PROTOBUF: &str = "application/x-protobuf";

/// Opens it; returns where.
pub(super) fn open() -> anyhow::Result<SocketAddr> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))?;
    let address = listener.local_addr()?;
    // An answer without a body is an empty message of the protocol: everything was taken.
    let router = Router::new().fallback(async |_: Bytes| ([("content-type", PROTOBUF)], ()));
    let serve = move || -> io::Result<()> {
        runtime.block_on(async { axum::serve(listener, router).await })
    };
    thread::Builder::new().spawn(serve).context("no collector can be had")?;
    Ok(address)
}
