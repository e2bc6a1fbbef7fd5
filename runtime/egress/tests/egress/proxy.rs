//! Proxies: the configured one is used, the environment's never, and neither decides what may be reached.

use std::process::Command;
use std::sync::Arc;

use openclaw_domain::{EgressError, Secret};
use openclaw_egress::{EgressSettings, EgressSettingsError, ProxySettings};
use tokio::io::AsyncWriteExt as _;

use crate::network::{Known, failure, fetch, get, get_private, shipped, strict_to};
use crate::server::Server;
use crate::tls::{Authority, tls_server};

fn through(proxy: &Server, credentials: Option<&str>, base: EgressSettings) -> EgressSettings {
    let origin = format!("http://{}", proxy.address).parse().unwrap();
    let credentials = credentials.map(|text| Secret::new(text.to_owned()));
    EgressSettings { proxy: Some(ProxySettings { origin, credentials }), ..base }
}

#[tokio::test]
async fn an_http_request_is_handed_to_the_proxy_whole_after_its_target_was_judged() {
    let mut proxy = Server::ok().await;
    let egress = shipped(&through(&proxy, Some("user:pass"), EgressSettings::default()));
    assert_eq!(fetch(&egress, get("http://93.184.216.34:8080/x?y")).await.unwrap().0, 200);
    let request = proxy.next().await;
    assert!(request.starts_with("GET http://93.184.216.34:8080/x?y HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("\r\nhost: 93.184.216.34:8080\r\n"), "{request}");
    assert!(request.contains("\r\nproxy-authorization: Basic dXNlcjpwYXNz\r\n"), "{request}");
    for url in ["http://127.0.0.1/", "http://localhost/", "https://169.254.169.254/", "http://0x7f.1/"] {
        assert!(matches!(failure(fetch(&egress, get(url)).await), EgressError::AddressDenied { .. }), "{url}");
    }
    assert!(proxy.is_untouched());
    // The second key is the request's, as without a proxy.
    assert_eq!(fetch(&egress, get_private("http://10.0.0.1/")).await.unwrap().0, 200);
}

#[tokio::test]
async fn https_goes_through_a_tunnel_to_the_checked_address_and_the_certificate_is_for_the_name() {
    let authority = Authority::new();
    let (address, mut seen, _tasks) = tls_server(authority.acceptor("api.example")).await;
    let mut proxy = Server::serving(move |mut stream, _| async move {
        stream.write_all(b"HTTP/1.1 200 Connection established\r\nx: y\r\n\r\n").await.ok();
        let mut target = tokio::net::TcpStream::connect(address).await.unwrap();
        tokio::io::copy_bidirectional(&mut stream, &mut target).await.ok();
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let hosts_file = folder.path().join("hosts");
    std::fs::write(&hosts_file, "93.184.216.34 api.example other.example\n").unwrap();
    let base = authority.settings(EgressSettings { hosts_file, ..EgressSettings::default() });
    let egress = shipped(&through(&proxy, Some("user:pass"), base));
    assert_eq!(fetch(&egress, get("https://api.example/x")).await.unwrap().2, b"ok");
    let connect = proxy.next().await;
    assert!(connect.starts_with("CONNECT 93.184.216.34:443 HTTP/1.1\r\nHost: 93.184.216.34:443\r\n"), "{connect}");
    assert!(connect.contains("\r\nProxy-Authorization: Basic dXNlcjpwYXNz\r\n"), "{connect}");
    let (name, _, request) = seen.recv().await.unwrap();
    assert_eq!(name, "api.example");
    assert!(request.contains("\r\nhost: api.example\r\n") && !request.contains("roxy-"), "{request}");
    assert!(matches!(failure(fetch(&egress, get("https://other.example/")).await), EgressError::Tls { .. }));
}

#[tokio::test]
async fn a_proxy_that_refuses_the_tunnel_is_named_with_its_status() {
    for (answer, reason) in [
        ("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "the proxy answered 407"),
        ("ok\r\n\r\n", "the proxy does not speak HTTP"),
        ("HTTP/1.1 200 OK", "the proxy broke off"),
    ] {
        let proxy = Server::answering(answer).await;
        let egress = shipped(&through(&proxy, None, EgressSettings::default()));
        let error = failure(fetch(&egress, get("https://93.184.216.34/")).await);
        assert!(matches!(&error, EgressError::Connect { .. }) && error.to_string().contains(reason), "{error}");
    }
    let endless = Server::answering("x".repeat(100_000)).await;
    let egress = shipped(&through(&endless, None, EgressSettings::default()));
    let error = failure(fetch(&egress, get("https://93.184.216.34/")).await);
    assert!(error.to_string().contains("too long"), "{error}");
}

/// Runs a test that needs no proxy in a process whose environment names one that does not exist.
#[test]
fn a_proxy_of_the_environment_is_ignored() {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "ssrf::the_shipped_egress_reaches_loopback_with_the_second_key_only"]);
    for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
        child.env(name, "http://127.0.0.1:1");
    }
    let output = child.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[tokio::test]
async fn a_proxy_is_spoken_to_in_clear_text_or_not_at_all() {
    let proxy = Server::ok().await;
    let mut settings = through(&proxy, Some("us3r\r\n:p4ss"), EgressSettings::default());
    let error = openclaw_egress::Egress::new(&settings, Arc::new(Known)).unwrap_err();
    assert!(matches!(error, EgressSettingsError::ProxyCredentials(_)), "{error}");
    assert!(!format!("{error:?} {error} {settings:?}").contains("p4ss"), "{error}");
    settings.proxy.as_mut().unwrap().origin = "https://proxy.example".parse().unwrap();
    let error = openclaw_egress::Egress::new(&settings, Arc::new(Known)).unwrap_err();
    assert!(matches!(error, EgressSettingsError::ProxyScheme(_)), "{error}");
    // The strict policy holds for where a proxy is, too: no key makes it everywhere.
    let everywhere = EgressSettings {
        proxy: Some(ProxySettings { origin: "http://0.0.0.0:3128".parse().unwrap(), credentials: None }),
        ..EgressSettings::default()
    };
    let (egress, dialer) = strict_to(&everywhere, proxy.address);
    assert!(matches!(failure(fetch(&egress, get("http://93.184.216.34/")).await), EgressError::AddressDenied { .. }));
    assert!(dialer.asked().is_empty());
}
