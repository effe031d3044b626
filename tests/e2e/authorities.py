"""Certificate authorities, made by openssl, and what they sign."""

import os
import ssl
import subprocess


def openssl(*arguments):
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, (arguments, done.stderr)
    return done.stdout


class Authority:
    """Its certificate is at `path`."""

    def __init__(self, directory, name):
        self.directory = directory
        self.path = os.path.join(directory, f"{name}.crt")
        self._key = os.path.join(directory, f"{name}.key")
        self._serial = 0
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                "-subj", f"/CN={name}", "-keyout", self._key, "-out", self.path)

    def sign(self, name, days=1, host="localhost"):
        """Puts name.crt and name.key in place, each by a rename, the key first; valid from yesterday on for `days`
        from now, which may be negative. For `host` and 127.0.0.1."""
        base = os.path.join(self.directory, name)
        self._serial += 1
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name}",
                "-keyout", f"{base}.key.new", "-out", f"{base}.csr")
        with open(f"{base}.ext", "w", encoding="utf-8") as file:
            file.write(f"subjectAltName=DNS:{host},IP:127.0.0.1\n")
        openssl("x509", "-req", "-in", f"{base}.csr", "-CA", self.path, "-CAkey", self._key, "-days", str(days),
                "-set_serial", str(self._serial), "-extfile", f"{base}.ext", "-out", f"{base}.crt.new")
        for suffix in "key", "crt":
            os.rename(f"{base}.{suffix}.new", f"{base}.{suffix}")
        return Certificate(base)


class Certificate:
    def __init__(self, base):
        self.cert = f"{base}.crt"
        self.key = f"{base}.key"

    def serial(self):
        return int(openssl("x509", "-in", self.cert, "-noout", "-serial").split("=")[1], 16)


def client_context(authority, certificate=None, version=None):
    context = ssl.create_default_context(cafile=authority.path)
    if certificate:
        context.load_cert_chain(certificate.cert, certificate.key)
    if version:
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = version
    return context
