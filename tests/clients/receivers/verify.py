"""Verifies deliveries with the libraries that receivers use: PyPI `standardwebhooks`, `svix` and `PyNaCl`.

Reads a JSON list of {secret, public, headers, body} from standard input; prints how many verifications held.
Invariant: what verifies does not verify any more with one byte changed.
"""

import base64
import json
import sys

import standardwebhooks
import svix.webhooks
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey


def refuses(verify, error):
    """Whether a verification ends with this error."""
    try:
        verify()
    except error:
        return True
    return False


held = 0
for delivery in json.load(sys.stdin):
    secret, headers, body = delivery["secret"], delivery["headers"], delivery["body"]
    changed = body.replace('"', "'", 1)

    # Each library says yes by not raising, whatever it returns.
    webhook = standardwebhooks.Webhook(secret)
    webhook.verify(body, headers)
    assert refuses(lambda: webhook.verify(changed, headers), standardwebhooks.WebhookVerificationError)
    held += 1

    webhook = svix.webhooks.Webhook(secret)
    webhook.verify(body, headers)
    assert refuses(lambda: webhook.verify(changed, headers), svix.webhooks.WebhookVerificationError)
    held += 1

    key = VerifyKey(bytes.fromhex(delivery["public"]))
    signed = [part[4:] for part in headers["webhook-signature"].split(" ") if part.startswith("v1a,")]
    assert len(signed) == 1, headers["webhook-signature"]
    signature = base64.b64decode(signed[0])
    message = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.{body}".encode()
    key.verify(message, signature)
    assert refuses(lambda: key.verify(message + b" ", signature), BadSignatureError)
    held += 1

print(held, end="")
