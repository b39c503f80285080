"""A certificate authority of the tests' own: what servers on loopback addresses show each other."""
import datetime
import ipaddress
import os

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def _name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _general_name(host):
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _key_text(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                             serialization.NoEncryption())


class Authority:
    """`ca_file` is its certificate; `certificate(host, …)` makes files for a server.  They are good from yesterday on, for `days`."""

    def __init__(self, folder, days=3):
        self.folder, self.days = folder, days
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.subject = _name("Belfry test authority")
        self.count = 0
        certificate = self._builder(self.subject, self.key.public_key()).add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True).sign(self.key, hashes.SHA256())
        self.ca_file = self._write("ca.pem", certificate.public_bytes(serialization.Encoding.PEM))

    def _builder(self, subject, public_key, days=None):
        now = datetime.datetime.now(datetime.timezone.utc)
        return (x509.CertificateBuilder().subject_name(subject).issuer_name(self.subject).public_key(public_key)
                .serial_number(x509.random_serial_number())
                .not_valid_before(now - datetime.timedelta(days=1))
                .not_valid_after(now + datetime.timedelta(days=(days or self.days) - 1)))

    def _write(self, name, data):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as file:
            file.write(data)
        os.chmod(path, 0o644)
        return path

    def certificate(self, *hosts, days=None):
        """Paths of certificate and key for these names or addresses."""
        self.count += 1
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._builder(_name(hosts[0]), key.public_key(), days).add_extension(
            x509.SubjectAlternativeName([_general_name(host) for host in hosts]), critical=False).sign(
                self.key, hashes.SHA256())
        return (self._write("%d.pem" % self.count, certificate.public_bytes(serialization.Encoding.PEM)),
                self._write("%d.key" % self.count, _key_text(key)))
