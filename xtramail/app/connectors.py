"""What is set at the primary, by its kind: that it trusts us, takes mail from nobody else, and sends through us.

Names of settings and commands are those of the vendors. Owns no record of DNS and no order of steps: ``guide`` does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Literal

Kind = Literal["exchange", "m365", "google", "smtp"]
KINDS: tuple[Kind, ...] = ("exchange", "m365", "google", "smtp")
TITLES: dict[Kind, str] = {
    "exchange": "Exchange Server",
    "m365": "Microsoft 365",
    "google": "Google Workspace",
    "smtp": "any SMTP server",
}
SPF: dict[Kind, str] = {"m365": "include:spf.protection.outlook.com", "google": "include:_spf.google.com"}
"""What stands in the SPF record of such a domain already, and stays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The real values of one domain."""

    domain: str
    host: str
    """Our name, as its people and its primary know it."""
    addresses: tuple[str, ...]
    """Our public ones, or one word that stands for them."""
    size: str
    """The largest message we take, such as ``50MB``."""
    outbound: Literal["", "address", "account", "certificate"]
    """By what the primary is known when it sends through us; empty: it does not."""
    outbound_port: int

    @property
    def listed(self) -> str:
        return ",".join(self.addresses)

    @property
    def listed_v4(self) -> str:
        """Without those of IPv6, which some settings do not take."""
        return ",".join(one for one in self.addresses if not _is_v6(one))


@dataclass(frozen=True, slots=True, kw_only=True)
class Connector:
    """Steps; a line that begins with four blanks is typed as it stands."""

    trust: tuple[str, ...]
    """Before the MX moves."""
    lock: tuple[str, ...]
    """When it has moved, and the old records are gone."""
    outbound: tuple[str, ...] = field(default=())
    undo: tuple[str, ...]


def _is_v6(text: str) -> bool:
    try:
        return ip_address(text).version == 6
    except ValueError:
        return False


def kind_of(primary: str) -> Kind:
    """What a primary is, as far as its name tells."""
    name = primary.lower().rstrip(".")
    if name.endswith((".mail.protection.outlook.com", ".mx.microsoft")):
        return "m365"
    if name == "smtp.google.com" or name.endswith((".google.com", ".googlemail.com")):
        return "google"
    return "smtp"


def connector(kind: Kind, site: Site) -> Connector:
    made: dict[Kind, Callable[[Site], Connector]] = {
        "exchange": _exchange,
        "m365": _m365,
        "google": _google,
        "smtp": _smtp,
    }
    return made[kind](site)


def _exchange(site: Site) -> Connector:
    login = (
        "-SmartHostAuthMechanism BasicAuthRequireTLS -AuthenticationCredential (Get-Credential)"
        if site.outbound == "account"
        else "-SmartHostAuthMechanism None"
    )
    known = {
        "account": f"Get-Credential asks: user name {site.domain}, password as relay-account create has shown it.",
        "address": "We know it by its address (relay-from).",
        "certificate": "We know it by its certificate: Set-SendConnector -TlsCertificateName chooses which it shows.",
    }
    outbound = (
        "Let it send to the world through us:\n"
        f'    New-SendConnector -Name "To the world by xtramail" -Usage Custom -AddressSpaces "SMTP:*;1"'
        f" -DNSRoutingEnabled $false -SmartHosts {site.host} -Port {site.outbound_port} -RequireTLS $true {login}",
        known.get(site.outbound, ""),
        "Switch off the connector that did it until now:\n"
        '    Set-SendConnector "NAME OF THE OLD ONE" -Enabled $false',
    )
    return Connector(
        trust=(
            "In the Exchange Management Shell, on the server that takes mail from outside (SERVER):\n"
            f'    New-ReceiveConnector -Name "From xtramail" -Server SERVER -TransportRole FrontendTransport'
            f" -Usage Custom -Bindings 0.0.0.0:25 -RemoteIPRanges {site.listed} -AuthMechanism Tls"
            f" -PermissionGroups AnonymousUsers -MaxMessageSize {site.size} -TarpitInterval 00:00:00",
            "Leave ExternalAuthoritative off: mail of the world would count as mail from within.",
            "If anti-spam agents are installed, let them look at the host before us:\n"
            f'    Set-TransportConfig -InternalSMTPServers @{{Add={_quoted(site.addresses)}}}',
        ),
        lock=(f"Let the firewall pass port 25 to it from {site.listed} only.",),
        outbound=tuple(one for one in outbound if one) if site.outbound else (),
        undo=(
            *(
                (
                    'Set-SendConnector "NAME OF THE OLD ONE" -Enabled $true, then:\n'
                    '    Remove-SendConnector "To the world by xtramail"',
                )
                if site.outbound
                else ()
            ),
            "When the queue here is empty:\n"
            '    Remove-ReceiveConnector "SERVER\\From xtramail"\n'
            f"    Set-TransportConfig -InternalSMTPServers @{{Remove={_quoted(site.addresses)}}}",
        ),
    )


def _quoted(addresses: tuple[str, ...]) -> str:
    return ",".join(f'"{one}"' for one in addresses)


def _m365(site: Site) -> Connector:
    return Connector(
        trust=(
            "In Exchange Online PowerShell (Connect-ExchangeOnline). It goes by our addresses: we show no certificate"
            " of our own when we hand mail over. Enhanced filtering skips them, so that SPF, DMARC and spam are judged"
            " by the host before us. Nothing is restricted yet:\n"
            '    New-InboundConnector -Name "From xtramail" -ConnectorType Partner -SenderDomains *'
            f" -SenderIPAddresses {site.listed_v4 or site.listed} -RestrictDomainsToIPAddresses $false"
            f" -RequireTls $false -EFSkipLastIP $false -EFSkipIPs {site.listed}",
            "Hand mail over under TLS with a certificate that is checked:\n"
            f"    xtramail domain set {site.domain} primary-tls=verify",
        ),
        lock=(
            "Let it take mail from us only, and under TLS only:\n"
            '    Set-InboundConnector "From xtramail" -RestrictDomainsToIPAddresses $true -RequireTls $true',
        ),
        outbound=_journal("a journal rule (Microsoft Purview, Data lifecycle management, Exchange, Journal rules)"),
        undo=(
            "Before the MX moves back:\n"
            '    Set-InboundConnector "From xtramail" -RestrictDomainsToIPAddresses $false -RequireTls $false',
            'When the queue here is empty:\n    Remove-InboundConnector "From xtramail"',
        ),
    )


def _journal(rule: str) -> tuple[str, ...]:
    return (
        "It sends from addresses that all its customers share and cannot log in here, so it does not send through us."
        f" Let {rule} send a copy of each message to a journal address:"
        " xtramail domain set --help, journal= and journal-from=.",
    )


def _google(site: Site) -> Connector:
    return Connector(
        trust=(
            "Admin console: Apps, Google Workspace, Gmail, Spam, Phishing and Malware, Inbound gateway, Edit, Enable.",
            f"Gateway IPs: add {site.listed} (public addresses only). Tick Automatically detect external IP.",
            "Leave Reject all mail not from gateway IPs off until the MX has moved. It can take an hour to work.",
        ),
        lock=(
            "In the same place tick Reject all mail not from gateway IPs, and Require TLS for connections from the"
            " email gateways.",
        ),
        outbound=_journal("a rule (Gmail, Routing, Routing, for outbound and internal mail: Also deliver to)"),
        undo=(
            "Before the MX moves back: untick Reject all mail not from gateway IPs.",
            "When the queue here is empty: remove the addresses from Inbound gateway.",
        ),
    )


def _smtp(site: Site) -> Connector:
    words = " ".join(site.addresses)
    relayhost = {
        "account": f"relayhost = [{site.host}]:{site.outbound_port}, smtp_sasl_auth_enable = yes,"
        f" smtp_sasl_password_maps with user name {site.domain}, smtp_sasl_security_options = noanonymous,"
        " smtp_tls_security_level = encrypt",
        "address": f"relayhost = [{site.host}]:{site.outbound_port}, smtp_tls_security_level = encrypt;"
        " we know it by its address (relay-from)",
        "certificate": f"relayhost = [{site.host}]:{site.outbound_port}, smtp_tls_security_level = encrypt,"
        " smtp_tls_cert_file and smtp_tls_key_file",
    }
    return Connector(
        trust=(
            f"Put {words} on its list of trusted relays, so that mail from us is not held up: no blocklist, no"
            " greylisting, no SPF check of our address, no limit of connections or messages.",
            "Postfix: permit them in postscreen_access_list, and add them to smtpd_client_event_limit_exceptions."
            " Not to mynetworks: that would let the world's mail be relayed.",
            f"SpamAssassin: trusted_networks {words} and internal_networks {words}, so that it looks at the host"
            " before us.",
            f"Let it take messages up to {site.size} and mail for {site.domain} from us without a login.",
        ),
        lock=(f"Let the firewall pass port 25 to it from {words} only.",),
        outbound=(
            f"Name us as its smarthost: {site.host}, port {site.outbound_port}, with TLS.",
            f"Postfix: {relayhost[site.outbound]}.",
        )
        if site.outbound
        else (),
        undo=(
            *(("Take us out as its smarthost: it sends to the world itself again.",) if site.outbound else ()),
            "When the queue here is empty: take us off the list of trusted relays.",
        ),
    )
