"""Let Java trust the certificate authorities that Python and the operating system trust.

Jars are resolved by Java, whose own list knows nothing of a company's authority; the operating system's list, or
``SSL_CERT_FILE``, does.
"""

from __future__ import annotations

import hashlib
import ssl
import warnings
from pathlib import Path

# The list of public authorities is no secret; the format asks for a password.
PASSWORD = "mlbsdk"


def truststore(folder: Path) -> Path | None:
    """Return a PKCS#12 trust store with Python's authorities, made once; None where Python lists none."""
    certificates = sorted(ssl.create_default_context().get_ca_certs(binary_form=True))
    if not certificates:
        return None
    path = folder / f"truststore-{hashlib.sha256(b''.join(certificates)).hexdigest()[:16]}.p12"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".draft")
        draft.write_bytes(_serialized(certificates))
        draft.replace(path)
    return path


def _serialized(certificates: list[bytes]) -> bytes:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12

    with warnings.catch_warnings():
        # Some authorities' certificates are old and bend the rules; that is theirs to mend.
        warnings.simplefilter("ignore")
        loaded = [x509.load_der_x509_certificate(data) for data in certificates]
    entries = [pkcs12.PKCS12Certificate(one, f"authority-{number}".encode()) for number, one in enumerate(loaded)]
    return pkcs12.serialize_java_truststore(entries, BestAvailableEncryption(PASSWORD.encode()))


def java_options(store: Path) -> str:
    """Return the Java options that use a trust store."""
    options = {"trustStore": store, "trustStoreType": "PKCS12", "trustStorePassword": PASSWORD}
    return " ".join(f"-Djavax.net.ssl.{name}={value}" for name, value in options.items())
