//! Who may talk to a hub without a key: programs on this machine, and pages that came from it.
//!
//! A WebSocket knows no same-origin rule, so the hub keeps it (RFC 6455, section 10.2). The Host header is checked too,
//! because a page may have its own name resolve to 127.0.0.1 (DNS rebinding).

use std::net::Ipv4Addr;

use axum::http::{HeaderMap, Uri, header};

/// Whether the request's page, if it has one, is from a loopback host. Programs send no Origin.
pub(crate) fn is_origin_served(headers: &HeaderMap) -> bool {
    let mut origins = headers.get_all(header::ORIGIN).iter().peekable();
    if origins.peek().is_none() {
        return !is_foreign_page(headers);
    }
    origins.all(|origin| origin.to_str().is_ok_and(is_loopback_origin))
}

/// Whether a page of another site asks without an Origin, as an image, a script or a frame in it does (Fetch Metadata). What a
/// user opens by its address is nobody's page.
fn is_foreign_page(headers: &HeaderMap) -> bool {
    let says = |name: &str, word: &str| headers.get(name).is_some_and(|value| value == word);
    let is_opened = says("sec-fetch-mode", "navigate") && says("sec-fetch-dest", "document");
    says("sec-fetch-site", "cross-site") && !is_opened
}

/// Whether an origin, as a browser writes it, is a loopback host's.
pub(crate) fn is_loopback_origin(origin: &str) -> bool {
    origin
        .strip_prefix("http://")
        .or_else(|| origin.strip_prefix("https://"))
        .is_some_and(is_loopback_authority)
}

/// Whether the request was sent to a loopback host by name.
pub(crate) fn is_host_served(uri: &Uri, headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next(), uri.authority()) {
        (Some(host), None, _) => host.to_str().is_ok_and(is_loopback_authority),
        // HTTP/2 has it in the request line.
        (None, None, Some(authority)) => is_loopback_authority(authority.as_str()),
        _ => false,
    }
}

/// Whether `host` or `host:port` is loopback.
fn is_loopback_authority(authority: &str) -> bool {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port),
        _ => (authority, "0"),
    };
    port.parse::<u16>().is_ok() && is_loopback_host(host)
}

fn is_loopback_host(host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    host == "localhost"
        || host.ends_with(".localhost")
        || host == "[::1]"
        || host.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f29_what_a_foreign_page_asks_for_without_an_origin_is_refused() {
        let is_served = |headers: &[(&'static str, &'static str)]| {
            let pairs = headers.iter().map(|(name, value)| {
                let name = axum::http::HeaderName::from_static(name);
                (name, axum::http::HeaderValue::from_static(value))
            });
            is_origin_served(&pairs.collect())
        };
        let image = [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "no-cors"),
            ("sec-fetch-dest", "image"),
        ];
        assert!(!is_served(&image));
        let frame = [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", "iframe"),
        ];
        assert!(!is_served(&frame));
        let link = [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", "document"),
        ];
        assert!(is_served(&link));
        assert!(is_served(&[("sec-fetch-site", "same-origin")]));
        assert!(is_served(&[]), "a program");
        let page = [
            ("origin", "http://localhost:5173"),
            ("sec-fetch-site", "cross-site"),
        ];
        assert!(is_served(&page), "its origin says who it is");
    }

    #[test]
    fn pages_of_loopback_hosts_are_served_and_others_that_look_like_them_are_not() {
        for good in [
            "http://localhost",
            "http://localhost:5173",
            "https://app.localhost:8443",
            "http://127.0.0.1:1",
            "http://127.8.9.1",
            "http://[::1]:4400",
            "http://LOCALHOST",
        ] {
            assert!(is_loopback_origin(good), "{good}");
        }
        for bad in [
            "null",
            "",
            "http://",
            "http://example.com",
            "http://localhost.example.com",
            "http://127.0.0.1.example.com",
            "http://notlocalhost",
            "http://localhost@example.com",
            "http://localhost:80@example.com",
            "http://localhost/",
            "http://10.0.0.1",
            "http://[::2]",
            "file://localhost",
        ] {
            assert!(!is_loopback_origin(bad), "{bad}");
        }
    }
}
