"""Whether a webhook comes from the service (https://www.standardwebhooks.com)."""

import base64
import binascii
import hashlib
import hmac
import json
import time
from typing import Any, Mapping, Optional, Union

TOLERANCE = 300
"""A message older or newer than this many seconds is refused: somebody may have kept and repeated it."""


class WebhookVerificationError(Exception):
    """It is not signed with this secret, is too old, or was changed."""


def verify_webhook(
    secret: str, headers: Mapping[str, str], body: Union[bytes, str], *, now: Optional[float] = None
) -> Any:
    """Returns the message of a webhook, ``{"type", "timestamp", "data"}``, once its signature is seen to be right.

    ``body`` is the request's body as it came: JSON that was read and written again has another signature.
    """
    given = {name.lower(): value for name, value in headers.items()}
    for name in ("webhook-id", "webhook-timestamp", "webhook-signature"):
        if name not in given:
            raise WebhookVerificationError(f"the header {name} is missing")
    stamp = given["webhook-timestamp"]
    if not stamp.isdigit():
        raise WebhookVerificationError(f"the header webhook-timestamp is no number: {stamp!r}")
    if abs((time.time() if now is None else now) - int(stamp)) > TOLERANCE:
        raise WebhookVerificationError("its timestamp is more than 5 minutes from this machine's clock")
    raw = body.encode() if isinstance(body, str) else body
    signed = f"{given['webhook-id']}.{stamp}.".encode() + raw
    expected = base64.b64encode(hmac.new(_key(secret), signed, hashlib.sha256).digest())
    for signature in given["webhook-signature"].split(" "):
        version, _, value = signature.partition(",")
        if version == "v1" and hmac.compare_digest(value.encode(), expected):
            return json.loads(raw)
    raise WebhookVerificationError("no signature fits: it was signed with another secret, or its body was changed")


def _key(secret: str) -> bytes:
    text = secret[len("whsec_") :] if secret.startswith("whsec_") else secret
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError("not a webhook's secret: it begins with whsec_, and base64 follows") from None
