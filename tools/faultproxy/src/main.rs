//! The fault proxy as a program. It prints one line when it is ready, and runs until it is stopped.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use faultproxy::{Proxy, control};

/// A TCP proxy that misbehaves on request, for tests: latency, bandwidth, black holes, resets,
/// half-open connections, and the faults of bad HTTP proxies.
///
/// It begins without faults. `PUT /faults` on its control address sets them.
#[derive(Parser)]
#[command(name = "faultproxy", version)]
struct Args {
    /// Address and port to listen on; port 0 picks a free one. Loopback only.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,

    /// The address to which connections go.
    #[arg(long)]
    upstream: SocketAddr,

    /// Address and port of the control interface. Loopback only.
    #[arg(long, default_value = "127.0.0.1:0")]
    control: SocketAddr,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "faultproxy: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> io::Result<()> {
    let proxy = Arc::new(Proxy::start(args.listen, args.upstream).await?);
    let address = proxy.address();
    let (control, serving) = control::serve(args.control, proxy).await?;
    let mut out = io::stdout();
    // The parent process may have closed the standard output. The proxy runs anyway.
    let _ = writeln!(out, "faultproxy ready on {address} control {control}");
    let _ = out.flush();
    serving.await
}
