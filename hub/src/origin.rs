//! Which clients a hub without a key serves: programs on this machine, and pages of loopback hosts.
//!
//! Browsers apply no same-origin policy to WebSockets, so the hub does (RFC 6455, section 10.2). It
//! also checks the Host header, because any domain can resolve to 127.0.0.1 (DNS rebinding).

use std::net::Ipv4Addr;

use axum::http::{HeaderMap, Uri, header};

use crate::api::origin::PageOrigin;

/// Whether the page of a request is from a loopback host. Programs send no Origin, and are served.
pub(crate) fn page_origin(headers: &HeaderMap) -> PageOrigin {
    let mut origins = headers.get_all(header::ORIGIN).iter().peekable();
    let is_served = if origins.peek().is_none() {
        !is_foreign_page(headers)
    } else {
        origins.all(|origin| origin.to_str().is_ok_and(is_loopback_origin))
    };
    if is_served {
        PageOrigin::Served
    } else {
        PageOrigin::Refused
    }
}

/// Whether a page of another site sends the request without an Origin (Fetch Metadata). Images,
/// scripts and frames do that. A request for an address that the user opens has no page.
fn is_foreign_page(headers: &HeaderMap) -> bool {
    let says = |name: &str, word: &str| headers.get(name).is_some_and(|value| value == word);
    let is_opened = says("sec-fetch-mode", "navigate") && says("sec-fetch-dest", "document");
    says("sec-fetch-site", "cross-site") && !is_opened
}

/// Whether an origin, in the form that browsers use, is a loopback host.
pub(crate) fn is_loopback_origin(origin: &str) -> bool {
    origin
        .strip_prefix("http://")
        .or_else(|| origin.strip_prefix("https://"))
        .is_some_and(is_loopback_authority)
}

/// Whether the request names a loopback host.
pub(crate) fn is_host_served(uri: &Uri, headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next(), uri.authority()) {
        (Some(host), None, _) => host.to_str().is_ok_and(is_loopback_authority),
        // HTTP/2 has the host in its pseudo-headers.
        (None, None, Some(authority)) => is_loopback_authority(authority.as_str()),
        _ => false,
    }
}

/// Whether `host` or `host:port` is a loopback host.
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
    fn f29_requests_of_a_foreign_page_without_an_origin_are_refused() {
        let is_served = |headers: &[(&'static str, &'static str)]| {
            let pairs = headers.iter().map(|(name, value)| {
                let name = axum::http::HeaderName::from_static(name);
                (name, axum::http::HeaderValue::from_static(value))
            });
            page_origin(&pairs.collect()) == PageOrigin::Served
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
        assert!(is_served(&page), "its origin is a loopback host");
    }

    #[test]
    fn pages_of_loopback_hosts_are_served_and_lookalikes_are_not() {
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
