# Signs webhooks with the libraries of those who send them.
# Reads a JSON list of {scheme, secret, body, url, id} from standard input; prints one of {library, headers}.
# Invariant: what a library can check, it has checked before the gateway sees it.

import datetime
import json
import sys
import time
import urllib.parse

import nacl.signing
import standardwebhooks
import stripe
import svix
from slack_sdk.signature import SignatureVerifier
from twilio.request_validator import RequestValidator

NOW = datetime.datetime.now(tz=datetime.timezone.utc)
SECONDS = str(int(time.time()))


def slack(asked: dict) -> dict:
    verifier = SignatureVerifier(asked["secret"])
    signature = verifier.generate_signature(timestamp=SECONDS, body=asked["body"])
    headers = {"X-Slack-Signature": signature, "X-Slack-Request-Timestamp": SECONDS}
    assert verifier.is_valid_request(asked["body"], headers)
    return {"library": "slack_sdk", "headers": headers}


def stripe_(asked: dict) -> dict:
    signed = f"{SECONDS}.{asked['body']}"
    signature = stripe.WebhookSignature._compute_signature(signed, asked["secret"])
    header = f"t={SECONDS},v1={signature}"
    assert stripe.WebhookSignature.verify_header(asked["body"], header, asked["secret"], 300)
    return {"library": "stripe", "headers": {"Stripe-Signature": header}}


def twilio(asked: dict) -> dict:
    validator = RequestValidator(asked["secret"])
    params = dict(urllib.parse.parse_qsl(asked["body"], keep_blank_values=True))
    signature = validator.compute_signature(asked["url"], params)
    assert validator.validate(asked["url"], params, signature)
    headers = {"X-Twilio-Signature": signature, "I-Twilio-Idempotency-Token": asked["id"]}
    return {"library": "twilio", "headers": headers}


def discord(asked: dict) -> dict:
    key = nacl.signing.SigningKey(bytes.fromhex(asked["secret"]))
    signature = key.sign((SECONDS + asked["body"]).encode()).signature.hex()
    return {"library": "PyNaCl", "headers": {"X-Signature-Ed25519": signature, "X-Signature-Timestamp": SECONDS}}


def standard(asked: dict) -> dict:
    webhook = standardwebhooks.Webhook(asked["secret"])
    signature = webhook.sign(msg_id=asked["id"], timestamp=NOW, data=asked["body"])
    headers = {"webhook-id": asked["id"], "webhook-timestamp": str(int(NOW.timestamp())), "webhook-signature": signature}
    webhook.verify(asked["body"], headers)
    return {"library": "standardwebhooks", "headers": headers}


def svix_(asked: dict) -> dict:
    webhook = svix.Webhook(asked["secret"])
    signature = webhook.sign(msg_id=asked["id"], timestamp=NOW, data=asked["body"])
    headers = {"svix-id": asked["id"], "svix-timestamp": str(int(NOW.timestamp())), "svix-signature": signature}
    webhook.verify(asked["body"], headers)
    return {"library": "svix", "headers": headers}


SIGN = {
    "slack": slack,
    "stripe": stripe_,
    "twilio": twilio,
    "discord": discord,
    "standard-webhooks": standard,
    "svix": svix_,
}

print(json.dumps([SIGN[asked["scheme"]](asked) for asked in json.load(sys.stdin)]))
