//! Every published vector with its negatives, and the law of all schemes: one changed bit anywhere is refused.

use http::{HeaderMap, Method, Request};
use openclaw_domain::{Secret, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::webhooks::scheme::{HmacRecipe, RecipeParts};

/// A request that is signed rightly, and what verifies it.
#[derive(Clone)]
struct Case {
    scheme: Scheme,
    secrets: Vec<String>,
    uri: &'static str,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    now: i64,
}

impl Case {
    fn new(scheme: Scheme, secret: &str, headers: &[(&'static str, &str)], body: &str) -> Self {
        let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        let (secrets, body) = (vec![secret.to_owned()], body.as_bytes().to_vec());
        Self { scheme, secrets, uri: "/webhook/x", headers, body, now: 0 }
    }

    fn at(self, now: i64) -> Self {
        Self { now, ..self }
    }

    fn at_uri(self, uri: &'static str) -> Self {
        Self { uri, ..self }
    }

    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self.headers.push((name, value.to_owned()));
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self
    }

    fn verified(&self) -> Result<Proof, Rejection> {
        let mut request = Request::builder().method(Method::POST).uri(self.uri).body(()).unwrap();
        *request.headers_mut() = HeaderMap::new();
        for (name, value) in &self.headers {
            let Ok(value) = http::HeaderValue::from_bytes(value.as_bytes()) else { return Err(Rejection::Mismatch) };
            request.headers_mut().append(*name, value);
        }
        let (head, ()) = request.into_parts();
        let secrets = self.secrets.iter().map(|secret| Secret::new(secret.clone())).collect();
        let signing = Signing { scheme: self.scheme.clone(), secrets, tolerance: Duration::from_secs(300) };
        let now = Timestamp::from_millis(self.now * 1000 + 999);
        Verifier::new(&signing).verify(&Presented { head: &head, body: &self.body, now, is_from_proxy: false })
    }

    fn is_right(&self) -> bool {
        self.verified().is_ok()
    }
}

const SLACK_BODY: &str = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V\
    &channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=\
    &response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN\
    &trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
const TWILIO_BODY: &str =
    "CallSid=CA1234567890ABCDE&Caller=%2B14158675309&Digits=1234&From=%2B14158675309&To=%2B18005551212";
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const STANDARD_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const STANDARD_SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
const PUBLIC_SIGNATURE: &str =
    "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg==";

fn github() -> Case {
    let signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    Case::new(Scheme::Github, "It's a Secret to Everybody", &[("x-hub-signature-256", signature)], "Hello, World!")
}

fn meta() -> Case {
    Case { scheme: Scheme::Meta { verify_tokens: Vec::new() }, ..github() }
}

fn slack() -> Case {
    let signature = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";
    let headers = [("x-slack-signature", signature), ("x-slack-request-timestamp", "1531420618")];
    Case::new(Scheme::Slack, "8f742231b10e8888abcd99yyyzzz85a5", &headers, SLACK_BODY).at(1_531_420_618)
}

fn stripe() -> Case {
    let header = "t=1614265330,v1=3c5817089d739023dd6190f70a3757e04f7a2fd8b5dab12c2e000f51970dccff";
    let body = r#"{"id":"evt_test_webhook","object":"event"}"#;
    Case::new(Scheme::Stripe, "whsec_test_secret", &[("stripe-signature", header)], body).at(1_614_265_330)
}

fn shopify() -> Case {
    let headers = [("x-shopify-hmac-sha256", "qBvrsZF7RfB1iS6BX6IHqJTp5L911P7intnPeTPsH0I=")];
    Case::new(Scheme::Shopify, "hush", &headers, r#"{"id":820982911946154508}"#)
}

fn pagerduty() -> Case {
    // HMAC-SHA-256 of RFC 4231, test case 2.
    let header = "v1=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
    Case::new(Scheme::Pagerduty, "Jefe", &[("x-pagerduty-signature", header)], "what do ya want for nothing?")
}

fn twilio() -> Case {
    let headers = [("x-twilio-signature", "RSOYDt4T1cUTdK1PDd93/VVr8B8="), ("host", "mycompany.com"), FORM];
    Case::new(Scheme::Twilio { public_url: None }, "12345", &headers, TWILIO_BODY).at_uri("/myapp.php?foo=1&bar=2")
}

fn twilio_json() -> Case {
    let headers = [
        ("x-twilio-signature", "a9nBmqA0ju/hNViExpshrM61xv4="),
        ("host", "mycompany.com"),
        ("content-type", "application/json"),
    ];
    let uri = "/myapp.php?foo=1&bar=2&bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620";
    let body = r#"{"property": "value", "boolean": true}"#;
    Case::new(Scheme::Twilio { public_url: None }, "12345", &headers, body).at_uri(uri)
}

fn discord() -> Case {
    let signature = "6717018d11001fe0389bdbcbbf20cebcbfd77b7f8c662a308c67fd17f7183d018f64c5db9617aa2a0850ca2cd1349c38\
        076b26f8b3f47e68136bcca223e02f05";
    let key = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    let headers = [("x-signature-ed25519", signature), ("x-signature-timestamp", "1614265330")];
    Case::new(Scheme::Discord, key, &headers, r#"{"type":1}"#).at(1_614_265_330)
}

fn zoom() -> Case {
    let signature = "v0=6da2189aecc81eb38d62f4239eb8b9dc78f6a3ad1a37f01b199a348e130d9b64";
    let headers = [("x-zm-signature", signature), ("x-zm-request-timestamp", "1614265330")];
    Case::new(Scheme::Zoom, "zoom-secret", &headers, r#"{"event":"x"}"#).at(1_614_265_330)
}

fn standard() -> Case {
    let headers = [
        ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
        ("webhook-timestamp", "1614265330"),
        ("webhook-signature", STANDARD_SIGNATURE),
    ];
    Case::new(Scheme::StandardWebhooks, STANDARD_SECRET, &headers, r#"{"test": 2432232314}"#).at(1_614_265_330)
}

fn gitlab() -> Case {
    let headers = [
        ("webhook-id", "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk"),
        ("webhook-timestamp", "1649367553"),
        ("webhook-signature", "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw="),
    ];
    let body = r#"{"email":"test@example.com","username":"test_user"}"#;
    Case::new(Scheme::Gitlab, "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", &headers, body).at(1_649_367_553)
}

fn public() -> Case {
    let key = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=".to_owned();
    Case { secrets: vec![key], ..standard().with("webhook-signature", PUBLIC_SIGNATURE) }
}

/// Slack's vector, verified by a recipe that says what Slack does.
fn recipe() -> Case {
    let parts = RecipeParts {
        header: "X-Slack-Signature",
        prefix: "v0=",
        signed: vec!["v0:", "timestamp", ":", "body"],
        timestamp_header: Some("X-Slack-Request-Timestamp"),
        ..RecipeParts::default()
    };
    Case { scheme: Scheme::Hmac(HmacRecipe::new(&parts).unwrap()), ..slack() }
}

fn all() -> Vec<Case> {
    vec![
        github(),
        meta(),
        slack(),
        stripe(),
        shopify(),
        pagerduty(),
        twilio(),
        twilio_json(),
        discord(),
        zoom(),
        standard(),
        gitlab(),
        public(),
        recipe(),
    ]
}

#[test]
fn every_published_vector_is_right() {
    for case in all() {
        assert_eq!(case.verified().err(), None, "{}", case.scheme.as_str());
    }
}

#[test]
fn a_missing_or_repeated_header_or_another_secret_is_refused() {
    for case in all() {
        let name = case.scheme.as_str();
        for (header, value) in &case.headers {
            if matches!(*header, "host" | "content-type") {
                continue;
            }
            assert_eq!(
                case.clone().without(header).verified(),
                Err(Rejection::Missing(header.parse().unwrap())),
                "{name}"
            );
            let mut twice = case.clone();
            twice.headers.push((header, value.clone()));
            assert_eq!(twice.verified(), Err(Rejection::Repeated(header.parse().unwrap())), "{name}");
            assert!(case.clone().with(header, "").verified().is_err(), "{name}");
        }
        assert!(!Case { secrets: Vec::new(), ..case.clone() }.is_right(), "{name}");
        assert!(!Case { secrets: vec![String::new()], ..case.clone() }.is_right(), "{name}");
        assert!(!Case { body: Vec::new(), ..case.clone() }.is_right(), "{name}");
        let other = match case.scheme {
            Scheme::Discord => "1fd5e2a0a0bf1a0b9ec3ecfd2ab1cd8b6bd1e8ae8f6b5a3b5f6b9b7cd0a9b6d1",
            _ => "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        };
        assert!(!Case { secrets: vec![other.to_owned()], ..case.clone() }.is_right(), "{name}");
        let rotating = Case { secrets: vec![other.to_owned(), case.secrets[0].clone()], ..case.clone() };
        assert!(rotating.is_right(), "{name}: the second secret is one too");
    }
}

#[test]
fn a_time_is_taken_up_to_its_tolerance_in_the_past_and_in_the_future() {
    for case in [slack(), stripe(), discord(), zoom(), standard(), gitlab(), public(), recipe()] {
        let signed = case.now;
        for near in [-300, -1, 0, 1, 300] {
            assert!(case.clone().at(signed + near).is_right(), "{} {near}", case.scheme.as_str());
        }
        for far in [-301, 301, -86_400, 86_400] {
            let rejection = case.clone().at(signed + far).verified();
            assert_eq!(rejection, Err(Rejection::Stale(Duration::from_secs(300))), "{} {far}", case.scheme.as_str());
        }
    }
}

#[test]
fn a_signature_counts_wherever_it_stands_in_a_list_and_other_kinds_never() {
    let wrong = "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc=";
    let list = |text: &str| standard().with("webhook-signature", text).is_right();
    assert!(list(&format!("{wrong} v1, {STANDARD_SIGNATURE} v2,abc")));
    assert!(list(&format!("{PUBLIC_SIGNATURE} {STANDARD_SIGNATURE}")));
    let short = &STANDARD_SIGNATURE[..11];
    let as_v2 = STANDARD_SIGNATURE.replace("v1,", "v2,");
    let as_v1a = STANDARD_SIGNATURE.replace("v1,", "v1a,");
    for refused in [wrong, "v1,", "", short, &as_v2, &as_v1a, PUBLIC_SIGNATURE, &STANDARD_SIGNATURE[3..]] {
        assert!(!list(refused), "{refused}");
    }
    assert!(!list(&[wrong; 17].join(" ")), "more than anybody sends");

    let key = "v1=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
    let pager = |text: &str| pagerduty().with("x-pagerduty-signature", text).is_right();
    assert!(pager(&format!("v1={},{key}", "0".repeat(64))) && pager(&format!("v0=1, {key}")));
    assert!(!pager(&key.replace("v1", "v0")) && !pager(&key[3..]));

    let signed = "3c5817089d739023dd6190f70a3757e04f7a2fd8b5dab12c2e000f51970dccff";
    let stripes = |text: String| stripe().with("stripe-signature", &text).is_right();
    assert!(stripes(format!("t=1614265330,v1={},v1={signed},v0=00", "0".repeat(64))));
    assert!(!stripes(format!("t=1614265330,v0={signed}")), "a test's signature is none");
    assert!(!stripes(format!("t=1614265330,t=1614265330,v1={signed}")));
    assert!(!stripes(format!("v1={signed}")));
    assert!(!stripes(format!("t=+1614265330,v1={signed}")));

    let legacy = github().without("x-hub-signature-256").with("x-hub-signature", "sha1=00");
    assert!(!legacy.is_right());
    let upper = github().headers[0].1.replace("757107ea", "757107EA");
    assert!(!github().with("x-hub-signature-256", &upper).is_right(), "hex has one spelling");
}

#[test]
fn svix_and_shopify_say_the_same_by_other_names() {
    let mut svix = standard();
    for (name, _) in &mut svix.headers {
        *name = match *name {
            "webhook-id" => "svix-id",
            "webhook-timestamp" => "svix-timestamp",
            _ => "svix-signature",
        };
    }
    assert_eq!(svix.verified().unwrap().id.as_deref(), Some("msg_p5jXN8AQM9LWM0D4loKWxJek"));
    let mixed = standard().without("webhook-id").with("svix-id", "msg_p5jXN8AQM9LWM0D4loKWxJek");
    assert!(!mixed.is_right(), "one family at a time");
    let value = shopify().headers[0].1.clone();
    let newer = shopify().without("x-shopify-hmac-sha256").with("shopify-hmac-sha256", &value);
    assert!(newer.is_right());
    assert!(!newer.with("x-shopify-hmac-sha256", &value).is_right(), "one signature");
    let bare = Case { secrets: vec![STANDARD_SECRET["whsec_".len()..].to_owned()], ..standard() };
    assert!(bare.is_right(), "the prefix is a convention");
}

#[test]
fn an_id_with_a_point_is_refused_since_it_could_be_taken_apart_otherwise() {
    let case = standard().with("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330");
    assert_eq!(case.verified(), Err(Rejection::Malformed(HeaderName::from_static("webhook-id"))));
}

#[test]
fn twilio_signs_the_url_it_called_with_or_without_port() {
    for (number, signature) in [("8675310", "GvWf1cFY/Q7PnoempGyD5oXAezc="), ("9013030", "")] {
        if signature.is_empty() {
            continue;
        }
        let body = TWILIO_BODY.replace("8675309", number);
        let older = Case { body: body.into_bytes(), ..twilio().with("x-twilio-signature", signature) };
        assert!(older.is_right(), "{number}");
    }
    assert!(twilio().with("host", "mycompany.com:443").is_right(), "a port that was added on the way");
    assert!(!twilio().with("host", "other.com").is_right());
    assert!(
        !twilio().with("x-forwarded-host", "mycompany.com").with("host", "other.com").is_right(),
        "from a stranger"
    );
    let configured = |url: &str| Case { scheme: Scheme::Twilio { public_url: Some(url.into()) }, ..twilio() };
    assert!(configured("https://mycompany.com/myapp.php").with("host", "inner:18789").is_right());
    assert!(!configured("https://other.com/myapp.php").is_right(), "what is configured is the only URL");
    let repeated = Case {
        body: b"a=2&a=1&a=1".to_vec(),
        ..twilio().at_uri("/x").with("host", "example.com").with("x-twilio-signature", "RV3sGXRIaPbA5++iGOoDd9rE7kQ=")
    };
    assert!(repeated.is_right(), "a field's values count once each, sorted");
}

#[test]
fn a_body_that_twilio_did_not_sign_is_refused() {
    let unsigned = twilio().with("content-type", "application/json");
    assert!(matches!(unsigned.verified(), Err(Rejection::Unsigned(_))));
    let other = Case { body: br#"{"property": "other", "boolean": true}"#.to_vec(), ..twilio_json() };
    assert_eq!(other.verified(), Err(Rejection::Mismatch));
    let as_form = Case { body: b"&&&".to_vec(), ..twilio_json().with(FORM.0, FORM.1) };
    assert_eq!(as_form.verified(), Err(Rejection::Mismatch), "the hash in the URL counts for forms too");
}

#[test]
fn a_recipe_describes_other_providers_than_those_of_the_table() {
    let recipe = |parts: &RecipeParts<'_>| Scheme::Hmac(HmacRecipe::new(parts).unwrap());
    // RFC 2202 and RFC 4231, test case 2.
    let text = "what do ya want for nothing?";
    let sha1 = RecipeParts {
        header: "X-Sig",
        algorithm: Some("sha1"),
        encoding: Some("base64"),
        signed: vec!["body"],
        ..RecipeParts::default()
    };
    assert!(Case::new(recipe(&sha1), "Jefe", &[("x-sig", "7/zfauXrL6LSdBbV8YTfnCWafHk=")], text).is_right());
    let authorization = RecipeParts { header: "Authorization", prefix: "HMAC ", ..sha1.clone() };
    let headers = [("authorization", "HMAC 7/zfauXrL6LSdBbV8YTfnCWafHk=")];
    assert!(Case::new(recipe(&authorization), "Jefe", &headers, text).is_right());
    let url = RecipeParts { encoding: Some("base64url"), ..sha1 };
    assert!(Case::new(recipe(&url), "Jefe", &[("x-sig", "7_zfauXrL6LSdBbV8YTfnCWafHk")], text).is_right());
    let sha512 =
        RecipeParts { header: "X-Sig", algorithm: Some("sha512"), signed: vec!["body"], ..RecipeParts::default() };
    let long = "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaea\
        b1a34d4a6b4b636e070a38bce737";
    assert!(Case::new(recipe(&sha512), "Jefe", &[("x-sig", long)], text).is_right());
    // The same text, put together from what stands around the body.
    let around =
        RecipeParts { header: "X-Sig", signed: vec!["header:x-first", " ", "body", "?"], ..RecipeParts::default() };
    let signature = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
    let case =
        Case::new(recipe(&around), "Jefe", &[("x-sig", signature), ("x-first", "what do ya")], "want for nothing");
    assert!(case.is_right());
    assert!(case.clone().with("x-sig", &signature.to_uppercase()).is_right(), "some write capitals");
    assert!(!case.clone().with("x-first", "what do y").is_right() && !case.without("x-first").is_right());
}

#[test]
fn a_time_in_milliseconds_is_one_too() {
    let parts = RecipeParts {
        header: "X-Sig",
        signed: vec!["timestamp", "body"],
        timestamp_header: Some("X-Time"),
        ..RecipeParts::default()
    };
    let scheme = Scheme::Hmac(HmacRecipe::new(&parts).unwrap());
    let keys = MacKeys::of_text(key::Algorithm::Sha256, &[Secret::new("secret".to_owned())]);
    let signature = hex::encode(keys.sign(KeyAt::default(), &[b"1614265330123", b"x"]));
    let case = Case::new(scheme, "secret", &[("x-sig", &signature), ("x-time", "1614265330123")], "x");
    assert!(case.clone().at(1_614_265_330 - 300).is_right() && case.clone().at(1_614_265_330 + 300).is_right());
    assert!(!case.at(1_614_265_330 + 301).is_right());
}

/// What of a request a bit is changed in.
#[derive(Clone, Copy, Debug)]
enum Place {
    Body,
    Secret,
    Header(usize),
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2048, ..ProptestConfig::default() })]

    #[test]
    fn one_changed_bit_anywhere_is_refused(which in 0_usize..14, place in any::<u8>(), at in any::<u16>(), bit in 0_u8..8) {
        let case = all().swap_remove(which);
        let signed: Vec<usize> = (0..case.headers.len())
            .filter(|index| !matches!(case.headers[*index].0, "host" | "content-type"))
            .collect();
        let place = match usize::from(place) % (signed.len() + 2) {
            0 => Place::Body,
            1 => Place::Secret,
            index => Place::Header(signed[index - 2]),
        };
        let mut changed = case.clone();
        let flip = |bytes: &mut Vec<u8>| {
            let at = usize::from(at) % bytes.len();
            bytes[at] ^= 1 << bit;
        };
        match place {
            Place::Body => flip(&mut changed.body),
            Place::Secret => {
                let mut bytes = changed.secrets[0].clone().into_bytes();
                flip(&mut bytes);
                // A secret of the configuration is text.
                let Ok(text) = String::from_utf8(bytes) else { return Ok(()) };
                changed.secrets[0] = text;
            }
            Place::Header(index) => {
                let mut bytes = changed.headers[index].1.clone().into_bytes();
                flip(&mut bytes);
                let Ok(text) = String::from_utf8(bytes) else { return Ok(()) };
                changed.headers[index].1 = text;
            }
        }
        // `%2b` is `%2B`: Twilio signs what the form says, not how it is written.
        let fields = |body: &[u8]| form_urlencoded::parse(body).into_owned().collect::<Vec<_>>();
        let says_the_same = matches!(case.scheme, Scheme::Twilio { .. }) && fields(&case.body) == fields(&changed.body);
        // A public key in other letters is the same key.
        let is_same_key = changed.secrets[0].eq_ignore_ascii_case(&case.secrets[0]) && matches!(case.scheme, Scheme::Discord);
        prop_assert!(
            !changed.is_right() || (matches!(place, Place::Body) && says_the_same) || (matches!(place, Place::Secret) && is_same_key),
            "{} {:?}", case.scheme.as_str(), place
        );
    }
}
