"""A certificate for the tasks of one run, and its key. Each of them shows it, and trusts nothing else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from reconciler.core.errors import UserError

DAYS = 60  # for which it is good: a run with its retries may take weeks


def check_can_make() -> None:
    """Raises UserError where the package that makes certificates isn't installed."""
    try:
        import cryptography  # noqa: F401
    except ImportError:
        raise UserError(
            "run.workers needs the Python package cryptography, which isn't installed: it makes the TLS certificate",
            hint="pip install 'cryptography>=42'",
        ) from None


def new_certificate(name: str) -> str:
    """A self-signed certificate and its key, as one PEM text. name: whose it is."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
    from cryptography.x509.oid import NameOID

    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))  # a clock may be behind
        .not_valid_after(now + timedelta(days=DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return (certificate.public_bytes(Encoding.PEM) + secret).decode()
