"""Secrets of every shape, none of which ever opened anything: made of dice, and joined only here.

Scanners of hosting sites read this file too, so no line of it may look like one.
"""

import base64
import random
import string
from collections.abc import Callable, Mapping
from typing import Final

_DICE: Final = random.Random(20261125)  # noqa: S311 - to look random is enough

UPPER: Final = string.ascii_uppercase
ALNUM: Final = string.ascii_letters + string.digits
HEX: Final = "0123456789abcdef"
BASE64: Final = ALNUM + "+/"


def rolled(length: int, of: str = ALNUM) -> str:
    """Random characters."""
    return "".join(_DICE.choice(of) for _ in range(length))


def pem(label: str, *, lines: int = 4, headers: str = "", end: str = "\n") -> str:
    """A private key in PEM, but for what is in it."""
    body = end.join(["MII" + rolled(61, BASE64), *(rolled(64, BASE64) for _ in range(lines - 1))])
    name = " ".join((*label.split(), "PRIVATE", "KEY"))
    name += " BLOCK" if label == "PGP" else ""
    return f"-----BEGIN {name}-----{end}{headers}{body}{end}-----END {name}-----{end}"


def _aws_key() -> str:
    return "AK" + "IA" + rolled(16, UPPER + "234567")


def _putty() -> str:
    head = ": ssh-ed25519\nEncryption: none\nComment: me\nPublic-Lines: 1\n" + rolled(64, BASE64)
    return "PuTTY-User-Key-" + f"File-3{head}\nPrivate-Lines: 1\n{rolled(48, BASE64)}\n"


SHAPES: Final[Mapping[str, tuple[str, Callable[[], str]]]] = {
    "aws": ("an AWS access key", _aws_key),
    "aws temporary": ("an AWS access key", lambda: "AS" + "IA" + rolled(16, UPPER + "234567")),
    "aws secret": ("an AWS secret key", lambda: "aws_secret_access_" + f"key = {rolled(40, BASE64)}"),
    "aws json": ("an AWS secret key", lambda: '"SecretAccess' + f'Key": "{rolled(40, BASE64)}"'),
    "github": ("a GitHub token", lambda: "gh" + "p_" + rolled(36)),
    "github oauth": ("a GitHub token", lambda: "gh" + "o_" + rolled(36)),
    "github action": ("a GitHub token", lambda: "gh" + "s_" + rolled(36)),
    "github fine": ("a GitHub token", lambda: "github" + f"_pat_{rolled(22)}_{rolled(59)}"),
    "gitlab": ("a GitLab token", lambda: "gl" + "pat-" + rolled(20)),
    "gitlab routable": ("a GitLab token", lambda: "gl" + f"pat-{rolled(27)}.01.{rolled(9)}"),
    "gitlab runner": ("a GitLab token", lambda: "gl" + "rt-" + rolled(20)),
    "slack bot": ("a Slack token", lambda: "xo" + f"xb-{rolled(11, '123456789')}-{rolled(24)}"),
    "slack app": ("a Slack token", lambda: "xa" + f"pp-1-{rolled(11, ALNUM)}-{rolled(32, HEX)}"),
    "slack webhook": (
        "the address of a Slack webhook",
        lambda: "https://hooks." + f"slack.com/services/T{rolled(9, UPPER)}/B{rolled(9, UPPER)}/{rolled(24)}",
    ),
    "discord": (
        "the address of a Discord webhook",
        lambda: "https://discord." + f"com/api/webhooks/{rolled(18, '123456789')}/{rolled(68)}",
    ),
    "google": ("a Google API key", lambda: "AI" + "za" + rolled(35)),
    "google oauth": ("a Google OAuth secret", lambda: "GOC" + "SPX-" + rolled(28)),
    "google token": ("a Google OAuth token", lambda: "ya" + "29.a0" + rolled(120)),
    "google account": (
        "a private key",
        lambda: '{"type": "service_account", "private_' + f'key": "{pem("", end=chr(92) + "n")}"}}',
    ),
    "azure storage": ("a key of an Azure account", lambda: "Account" + f"Key={rolled(86, BASE64)}=="),
    "azure queue": ("a key of an Azure account", lambda: "SharedAccess" + f"Key={rolled(43, BASE64)}="),
    "azure sas": (
        "a signature for Azure storage",
        lambda: "https://a.blob.core.windows.net/c?sv=2024-05-04&" + f"sig={rolled(43, BASE64)}%3D",
    ),
    "azure app": ("a secret of an Azure application", lambda: f"{rolled(3)}8" + "Q~" + rolled(34)),
    "hugging face": ("a Hugging Face token", lambda: "h" + "f_" + rolled(34, string.ascii_letters)),
    "hugging face team": ("a Hugging Face token", lambda: "api_" + "org_" + rolled(34, string.ascii_letters)),
    "anthropic": ("an Anthropic key", lambda: "sk-" + f"ant-api03-{rolled(93)}AA"),
    "openai": ("an OpenAI key", lambda: "s" + "k-" + rolled(20) + "T3Blbk" + "FJ" + rolled(20)),
    "openai project": ("an OpenAI key", lambda: "sk-" + f"proj-{rolled(74)}T3Blbk" + "FJ" + rolled(74)),
    "openrouter": ("an OpenRouter key", lambda: "sk-" + "or-v1-" + rolled(64, HEX)),
    "groq": ("a Groq key", lambda: "gs" + "k_" + rolled(52)),
    "replicate": ("a Replicate token", lambda: "r" + "8_" + rolled(37)),
    "wandb": ("a Weights & Biases key", lambda: 'os.environ["WANDB_' + f'API_KEY"] = "{rolled(40, HEX)}"'),
    "databricks": ("a Databricks token", lambda: "da" + "pi" + rolled(32, HEX)),
    "pypi": ("a PyPI token", lambda: "pypi-" + f"AgEIcHlwaS5vcmc{rolled(140)}"),
    "npm": ("an npm token", lambda: "np" + "m_" + rolled(36)),
    "npmrc": (
        "a login of an npm registry",
        lambda: "//npm.acme.io/:_auth" + f"Token={rolled(8, HEX)}-{rolled(24, HEX)}",
    ),
    "docker hub": ("a Docker Hub token", lambda: "dckr" + "_pat_" + rolled(27)),
    "stripe": ("a Stripe key", lambda: "sk_" + "live_" + rolled(24)),
    "sendgrid": ("a SendGrid key", lambda: "S" + f"G.{rolled(22)}.{rolled(43)}"),
    "digitalocean": ("a DigitalOcean token", lambda: "dop_" + "v1_" + rolled(64, HEX)),
    "vault": ("a HashiCorp Vault token", lambda: "hv" + "s." + rolled(96)),
    "telegram": ("a Telegram bot token", lambda: rolled(10, "123456789") + ":A" + "A" + rolled(33)),
    "age": ("a private key of age", lambda: "AGE-SECRET-" + "KEY-1" + rolled(58, UPPER + "023456789")),
    "rsa": ("a private key", lambda: pem("RSA")),
    "pkcs 8": ("a private key", lambda: pem("")),
    "encrypted": ("a private key", lambda: pem("ENCRYPTED")),
    "ec": ("a private key", lambda: pem("EC", lines=3)),
    "ed25519": ("a private key", lambda: pem("", lines=1)),
    "openssh": ("a private key", lambda: pem("OPENSSH", lines=6)),
    "pgp": ("a private key", lambda: pem("PGP", headers="Version: GnuPG v2\n\n")),
    "old encrypted": (
        "a private key",
        lambda: pem(
            "RSA", headers=f"Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,{rolled(32, HEX).upper()}\n\n"
        ),
    ),
    "pem in crlf": ("a private key", lambda: pem("RSA", end="\r\n")),
    "pem in python": ("a private key", lambda: 'KEY = "' + pem("EC", end='\\n"\n    "') + '"'),
    "pem in yaml": ("a private key", lambda: "key: |\n" + pem("", end="\n    ")),
    "pem in base64": (
        "a private key in base64",
        lambda: "client-key-data: " + base64.b64encode(pem("RSA").encode()).decode(),
    ),
    "putty": ("a private key of PuTTY", _putty),
    "url": ("a URL with a password", lambda: "postgresql://ml" + f":{rolled(12)}@db.acme.io:5432/features"),
    "url of an index": ("a URL with a password", lambda: "https://ci" + f":{rolled(12)}@pypi.acme.io/simple"),
    "url without user": ("a URL with a password", lambda: "redis://" + f":{rolled(16)}@cache:6379/0"),
    "url with a token": (
        "a URL with a token",
        lambda: "git+https://" + f"{rolled(19)}7@git.acme.io/ml/x.git",
    ),
}
"""By name, what it is and how to make one."""
