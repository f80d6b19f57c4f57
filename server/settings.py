"""One table of settings: name, type, default, help; read from `HANDRAISE_*` at the entry only."""

import os
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Literal

import msgspec

from server.errors import BadRequest
from server.starting import command


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How this process runs. What shapes one site's data lies in `model.SiteSettings`."""

    host: str = "127.0.0.1"
    port: int = 8787
    data: str = "data"
    database: str = ""
    erasure_key: str = ""
    public_url: str = ""
    trusted_proxies: tuple[str, ...] = ()
    client_ip_header: str = "X-Forwarded-For"
    demo_port: int = 0
    disk_floor_mb: int = 256
    upgrade_copy: bool = True
    queue_events: int = 20_000
    connections_per_address: int = 1_000
    readers: int = 3
    read_limit_ms: int = 1_000
    geo_database: str = ""
    log_format: str = "console"
    metrics_public: bool = False
    drain_s: int = 10
    tell_exempt: tuple[str, ...] = ()
    smtp_host: str = ""
    smtp_port: int = 587
    smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    smtp_user: str = ""
    smtp_password: str = ""
    smtp_from: str = ""


HELP: dict[str, str] = {
    "host": "address to listen on; use 0.0.0.0 behind a reverse proxy",
    "port": "port to listen on; 0 picks a free one",
    "data": "folder of the database, the secret and the socket",
    "database": "empty for SQLite in the data folder, or postgresql://user@host/name",
    "erasure_key": "64 hexadecimal digits, one key for all nodes; empty: erasure.key in the folder",
    "public_url": "address visitors reach this server at, such as https://t.yoursite.com",
    "trusted_proxies": "addresses of your proxies, comma separated; none is believed unless named",
    "client_ip_header": "the one header those proxies set with the visitor's address",
    "demo_port": "port of the demo site; 0 takes the next one after port",
    "disk_floor_mb": "below this much free disk new events are refused with 503",
    "upgrade_copy": "keep a copy of SQLite's file for two weeks before its schema changes",
    "queue_events": "events that may wait for the writer before 503; at least 1000",
    "connections_per_address": "connections one address may hold; behind proxies: its requests",
    "readers": "read-only database connections",
    "read_limit_ms": "longest time one query of a page or the API may take",
    "geo_database": "path of an MMDB file for country and company by IP (extra `geo`)",
    "log_format": "console or json",
    "metrics_public": "serve /metrics to anybody instead of loopback and operators only",
    "drain_s": "seconds a shutdown waits for requests in flight",
    "tell_exempt": "host:port of webhook receivers inside your network, comma separated",
    "smtp_host": "mail server for mails about people; empty sends none",
    "smtp_port": "its port: 587 with starttls, 465 with tls",
    "smtp_security": "starttls, tls, or none; none takes a password on loopback only",
    "smtp_user": "user at the mail server; empty signs in as nobody",
    "smtp_password": "password at the mail server; better in a file: HANDRAISE_SMTP_PASSWORD_FILE",
    "smtp_from": "sender of mails, such as Handraise <handraise@yoursite.com>",
}

PREFIX = "HANDRAISE_"
LEAST_QUEUE = 1_000  # events: the largest batch there may be has to fit
LISTS = frozenset({"trusted_proxies", "tell_exempt"})
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def _text(environ: Mapping[str, str], name: str) -> str | None:
    """The value of a setting, from the variable or from the file that `…_FILE` names."""
    key = PREFIX + name.upper()
    if f"{key}_FILE" in environ:
        try:
            return Path(environ[f"{key}_FILE"]).read_text("utf-8").strip()
        except OSError as error:
            raise BadRequest(f"{key}_FILE cannot be read: {error}") from error
    return environ.get(key)


def load(environ: Mapping[str, str] = os.environ, **overrides: Any) -> Settings:
    """Settings from the environment; `overrides` (from the command line) win unless None.

    Raises `BadRequest` with the name of the setting that does not fit, or of one unknown.
    """
    values: dict[str, Any] = {}
    for field in msgspec.structs.fields(Settings):
        text = _text(environ, field.name)
        if text is None:
            continue
        values[field.name] = (
            tuple(part.strip() for part in text.split(",") if part.strip())
            if field.name in LISTS
            else text
        )
    known = {PREFIX + name.upper() for name in HELP}
    for key in environ:
        if key.startswith(PREFIX) and key.removesuffix("_FILE") not in known:
            raise BadRequest(f"unknown setting {key}; `{command('doctor')}` lists those there are")
    values |= {name: value for name, value in overrides.items() if value is not None}
    try:
        settings = msgspec.convert(values, Settings, strict=False)
        for proxy in settings.trusted_proxies:
            ip_network(proxy, strict=False)
    except ValueError as error:  # msgspec's own is one
        raise BadRequest(f"a setting does not fit: {error}") from error
    if not 0 <= settings.port <= 65_535 or not 0 <= settings.demo_port <= 65_535:
        raise BadRequest("a port lies between 0 and 65535")
    if settings.connections_per_address < 1:
        raise BadRequest("HANDRAISE_CONNECTIONS_PER_ADDRESS is at least 1")
    if settings.queue_events < LEAST_QUEUE:
        raise BadRequest(
            f"HANDRAISE_QUEUE_EVENTS is at least {LEAST_QUEUE}, or a large batch gets 503 for ever"
        )
    _check_mail(settings)
    return settings


def _check_mail(settings: Settings) -> None:
    """Raises `BadRequest` where mail would send a password for all to read."""
    if not 1 <= settings.smtp_port <= 65_535:
        raise BadRequest("HANDRAISE_SMTP_PORT lies between 1 and 65535")
    clear = settings.smtp_security == "none" and settings.smtp_host not in LOOPBACK
    if clear and (settings.smtp_user or settings.smtp_password):
        raise BadRequest(
            "HANDRAISE_SMTP_SECURITY=none would send the mail password in clear:"
            " use starttls or tls"
        )
