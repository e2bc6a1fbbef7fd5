//! Requests forged to reach what the gateway can and its guests must not: by literal, by name, by redirect.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::Method;
use openclaw_domain::{EgressError, NamePolicy, Origin, Outgoing};
use openclaw_egress::EgressSettings;

use crate::dns::{Answer, Nameserver};
use crate::network::{failure, fetch, get, get_private, opened, shipped, strict_to};
use crate::server::Server;

/// Hosts as they are written in a URL, and what the refusal calls their address.
const LITERALS: [(&str, &str); 42] = [
    ("127.0.0.1", "loopback"),
    ("127.0.0.1.", "loopback"),
    ("127.1", "loopback"),
    ("127.0.1", "loopback"),
    ("2130706433", "loopback"),
    ("0x7f.1", "loopback"),
    ("0x7f000001", "loopback"),
    ("0177.0.0.1", "loopback"),
    ("017700000001", "loopback"),
    ("localhost", "loopback"),
    ("localhost.", "loopback"),
    ("LOCALHOST", "loopback"),
    ("a.localhost", "loopback"),
    ("[::1]", "loopback"),
    ("[::ffff:127.0.0.1]", "loopback"),
    ("[::ffff:7f00:1]", "loopback"),
    ("[::127.0.0.1]", "loopback"),
    ("[::]", "unspecified"),
    ("0.0.0.0", "unspecified"),
    ("0", "unspecified"),
    ("169.254.169.254", "cloud metadata"),
    ("0xa9fea9fe", "cloud metadata"),
    ("[fd00:ec2::254]", "cloud metadata"),
    ("[::ffff:169.254.169.254]", "cloud metadata"),
    ("169.254.1.1", "link-local"),
    ("[fe80::1]", "link-local"),
    ("10.0.0.1", "private"),
    ("172.16.0.1", "private"),
    ("192.168.1.1", "private"),
    ("[fd12:3456::1]", "unique local"),
    ("[fec0::1]", "site-local"),
    ("100.64.0.1", "behind a carrier's NAT"),
    ("[64:ff9b::7f00:1]", "loopback"),
    ("[64:ff9b:1::7f00:1]", "loopback"),
    ("[2002:7f00:1::]", "loopback"),
    ("[2001:0:808:808::80ff:fffe]", "loopback"),
    ("198.18.0.1", "for benchmarking"),
    ("240.0.0.1", "reserved"),
    ("255.255.255.255", "broadcast"),
    ("224.0.0.1", "multicast"),
    ("[ff02::1]", "multicast"),
    ("203.0.113.1", "for documentation"),
];

fn denied_as(error: &EgressError) -> &'static str {
    match error {
        EgressError::AddressDenied { kind, .. } => kind,
        other => panic!("not refused for its address: {other}"),
    }
}

#[tokio::test]
async fn no_spelling_of_a_special_address_is_dialled_and_each_would_have_answered() {
    let mut server = Server::ok().await;
    let settings = EgressSettings::default();
    let (strict, dialer) = strict_to(&settings, server.address);
    let open = opened(&settings, server.address);
    for (host, kind) in LITERALS {
        for scheme in ["http", "https"] {
            let error = failure(fetch(&strict, get(&format!("{scheme}://{host}:8080/"))).await);
            assert_eq!(denied_as(&error), kind, "{host}");
        }
        assert!(server.is_untouched(), "{host}");
        assert_eq!(fetch(&open, get(&format!("http://{host}:8080/"))).await.unwrap().0, 200, "{host}");
        assert!(server.next().await.starts_with("GET / HTTP/1.1\r\n"), "{host}");
    }
    assert!(dialer.asked().is_empty());
}

#[tokio::test]
async fn the_second_key_opens_what_leads_to_one_machine_and_never_what_leads_to_all() {
    let mut server = Server::ok().await;
    let (strict, dialer) = strict_to(&EgressSettings::default(), server.address);
    for (host, kind) in LITERALS {
        let result = fetch(&strict, get_private(&format!("http://{host}:8080/"))).await;
        match kind {
            "unspecified" | "multicast" | "broadcast" => assert_eq!(denied_as(&failure(result)), kind),
            _ => {
                assert_eq!(result.unwrap().0, 200, "{host}");
                server.next().await;
            }
        }
    }
    // An IPv4 address in IPv6 dress is dialled as what it is.
    assert!(dialer.asked().contains(&"169.254.169.254:8080".parse().unwrap()));
    assert!(dialer.asked().iter().all(|asked| !asked.to_string().contains("ffff:")), "{:?}", dialer.asked());
}

#[tokio::test]
async fn the_shipped_egress_reaches_loopback_with_the_second_key_only() {
    let mut server = Server::ok().await;
    let egress = shipped(&EgressSettings::default());
    assert_eq!(denied_as(&failure(fetch(&egress, get(&server.url("/"))).await)), "loopback");
    assert_eq!(fetch(&egress, get_private(&server.url("/a?b=c"))).await.unwrap().2, b"ok");
    let request = server.next().await;
    assert!(request.starts_with("GET /a?b=c HTTP/1.1\r\n"), "{request}");
    assert!(request.contains(&format!("host: {}\r\n", server.address)), "{request}");
    // Both of localhost's addresses are tried.
    let port = server.address.port();
    assert_eq!(fetch(&egress, get_private(&format!("http://localhost:{port}/"))).await.unwrap().0, 200);
    assert!(server.next().await.contains(&format!("host: localhost:{port}\r\n")));
}

#[tokio::test]
async fn a_name_is_as_good_as_the_worst_of_its_addresses() {
    let server = Server::ok().await;
    let nameserver = Nameserver::new(|name, _| match name {
        "public.example" => vec![Answer::At("93.184.216.34"), Answer::At("2606:2800::1")],
        "private.example" => vec![Answer::At("127.0.0.1")],
        "mapped.example" => vec![Answer::At("::ffff:127.0.0.1")],
        "mixed.example" => vec![Answer::At("93.184.216.34"), Answer::At("10.0.0.1")],
        "other-family.example" => vec![Answer::At("93.184.216.34"), Answer::At("fd12::1")],
        "alias.example" => vec![Answer::Alias("second.example")],
        "second.example" => vec![Answer::Alias("private.example")],
        "good-alias.example" => vec![Answer::Alias("public.example")],
        "metadata.example" => vec![Answer::At("169.254.169.254")],
        "nat64.example" => vec![Answer::At("64:ff9b::a9fe:a9fe")],
        "6to4.example" => vec![Answer::At("2002:a00:1::")],
        "everywhere.example" => vec![Answer::At("0.0.0.0")],
        _ => Vec::new(),
    })
    .await;
    let settings = nameserver.settings();
    let (strict, dialer) = strict_to(&settings, server.address);
    let open = opened(&settings, server.address);
    for (name, kind) in [
        ("private.example", "loopback"),
        ("PRIVATE.example.", "loopback"),
        ("mapped.example", "loopback"),
        ("mixed.example", "private"),
        ("other-family.example", "unique local"),
        ("alias.example", "loopback"),
        ("metadata.example", "cloud metadata"),
        ("nat64.example", "cloud metadata"),
        ("6to4.example", "private"),
        ("everywhere.example", "unspecified"),
    ] {
        let error = failure(fetch(&strict, get(&format!("http://{name}/"))).await);
        assert_eq!(denied_as(&error), kind, "{name}");
        assert_eq!(fetch(&open, get(&format!("http://{name}/"))).await.unwrap().0, 200, "{name}");
    }
    assert!(dialer.asked().is_empty());
    for name in ["public.example", "good-alias.example"] {
        assert_eq!(fetch(&strict, get(&format!("http://{name}/"))).await.unwrap().0, 200, "{name}");
    }
    // The dial is pinned to an address that was judged, IPv4 first.
    assert_eq!(dialer.asked(), ["93.184.216.34:80".parse().unwrap(), "93.184.216.34:80".parse().unwrap()]);
    let error = failure(fetch(&strict, get("http://nothing.example/")).await);
    assert!(matches!(&error, EgressError::Dns { host, .. } if host == "nothing.example"), "{error}");
}

#[tokio::test]
async fn a_name_that_turns_private_between_two_requests_is_refused_at_the_second() {
    let server = Server::ok().await;
    // Each request asks for both families.
    let nameserver = Nameserver::new(|_, before| match before {
        0 | 1 => vec![Answer::At("93.184.216.34")],
        _ => vec![Answer::At("127.0.0.1")],
    })
    .await;
    let (strict, dialer) = strict_to(&nameserver.settings(), server.address);
    assert_eq!(fetch(&strict, get("http://flips.example/")).await.unwrap().0, 200);
    // One resolution a request: there is no second answer between the check and the dial.
    assert_eq!(nameserver.asked(), 2);
    assert_eq!(dialer.asked(), ["93.184.216.34:80".parse().unwrap()]);
    assert_eq!(denied_as(&failure(fetch(&strict, get("http://flips.example/")).await)), "loopback");
    assert_eq!(dialer.asked().len(), 1);
}

#[tokio::test]
async fn what_a_program_might_read_as_an_address_is_never_asked_of_a_nameserver() {
    let server = Server::ok().await;
    let nameserver = Nameserver::new(|_, _| vec![Answer::At("93.184.216.34")]).await;
    let (strict, dialer) = strict_to(&nameserver.settings(), server.address);
    for (host, _) in LITERALS {
        failure(fetch(&strict, get(&format!("http://{host}/"))).await);
    }
    for host in ["127.0.0.256", "1.2.3.4.5", "example.1", "a.0x7f"] {
        let error = failure(fetch(&strict, get(&format!("http://{host}/"))).await);
        assert!(matches!(error, EgressError::Dns { .. }), "{host}: {error}");
    }
    assert_eq!(nameserver.asked(), 0);
    assert!(dialer.asked().is_empty());
}

#[tokio::test]
async fn a_name_of_the_hosts_file_works_and_is_judged_like_any_other() {
    let mut server = Server::ok().await;
    let folder = tempfile::tempdir().unwrap();
    let hosts_file = folder.path().join("hosts");
    std::fs::write(&hosts_file, "127.0.0.1 inside.test\n93.184.216.34 outside.test\n").unwrap();
    let settings = EgressSettings { hosts_file, ..EgressSettings::default() };
    let url = format!("http://inside.test:{}/", server.address.port());
    assert_eq!(denied_as(&failure(fetch(&shipped(&settings), get(&url)).await)), "loopback");
    assert_eq!(fetch(&shipped(&settings), get_private(&url)).await.unwrap().0, 200);
    assert!(server.next().await.contains("host: inside.test:"));
    let (strict, dialer) = strict_to(&settings, server.address);
    assert_eq!(fetch(&strict, get("http://outside.test/")).await.unwrap().0, 200);
    assert_eq!(dialer.asked(), ["93.184.216.34:80".parse().unwrap()]);
}

#[tokio::test]
async fn a_redirect_is_handed_back_and_not_followed() {
    let hits = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&hits);
    let inner = Server::serving(move |_, _| {
        count.fetch_add(1, Ordering::SeqCst);
        async {}
    })
    .await;
    let location = inner.url("/secret");
    let server =
        Server::answering(format!("HTTP/1.1 302 Found\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n")).await;
    for status in [302_u16, 302] {
        let egress = opened(&EgressSettings::default(), server.address);
        let (got, headers, _) = fetch(&egress, get("http://93.184.216.34/")).await.unwrap();
        assert_eq!(got, status);
        assert_eq!(headers["location"], location.as_str());
    }
    assert_eq!(hits.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_guest_goes_only_where_a_rule_says() {
    let server = Server::ok().await;
    let (strict, dialer) = strict_to(&EgressSettings::default(), server.address);
    let rules: Arc<[_]> = Arc::from(["GET http://93.184.216.34/repos/**".parse().unwrap()]);
    let by_rule =
        |method: Method, url: &str| Outgoing { method, names: NamePolicy::Rules(Arc::clone(&rules)), ..get(url) };
    assert_eq!(fetch(&strict, by_rule(Method::GET, "http://93.184.216.34/repos/a?token=x")).await.unwrap().0, 200);
    for (method, url) in [
        (Method::POST, "http://93.184.216.34/repos/a"),
        (Method::GET, "http://93.184.216.34/user?token=x"),
        (Method::GET, "http://93.184.216.34:81/repos/a"),
        (Method::GET, "http://93.184.216.35/repos/a"),
        (Method::GET, "http://1572395042/repos/a"),
        (Method::GET, "https://93.184.216.34/repos/a"),
        (Method::GET, "http://93.184.216.34/repos/../user"),
        (Method::GET, "http://93.184.216.34/repos/%2e%2e/user"),
    ] {
        let error = failure(fetch(&strict, by_rule(method, url)).await);
        assert!(matches!(error, EgressError::NameDenied { .. }), "{url}: {error}");
        assert!(!error.to_string().contains("token=x"), "{error}");
    }
    assert_eq!(dialer.asked().len(), 1);
}

#[tokio::test]
async fn an_origin_that_was_not_read_from_a_url_is_checked_again() {
    let server = Server::ok().await;
    let open = opened(&EgressSettings::default(), server.address);
    for host in ["user@example.com", "example.com\r\nx: y", "EXAMPLE.com", "example.com/path", "", "a b"] {
        let origin = Origin { host: host.to_owned(), ..get("http://93.184.216.34/").origin };
        let error = failure(fetch(&open, Outgoing { origin, ..get("http://93.184.216.34/") }).await);
        assert!(matches!(&error, EgressError::BadRequest { part, .. } if part == "url"), "{host:?}: {error}");
    }
    for url in ["http://user@example.com/", "http://user:password@127.0.0.1/", "http://exa\0mple.com/", "http://a\r\n/"]
    {
        assert!(Origin::split(url).is_err(), "{url:?}");
    }
}
