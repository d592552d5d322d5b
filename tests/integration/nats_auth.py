# SPDX-License-Identifier: Apache-2.0
"""A nats-server that asks for TLS and for credentials, as a provider runs it: its certificates, and the signed claims of its
operator, of an account and of a user. openssl makes the keys and signs."""
import base64
import json
import subprocess

# The first byte of a key tells what it is of: in base32 that shows as O, A, U, and S before it in a seed.
OPERATOR, ACCOUNT, USER, SEED = 14 << 3, 0, 20 << 3, 18 << 3


def openssl(*arguments, data=None):
    return subprocess.run(["openssl", *map(str, arguments)], input=data, capture_output=True, check=True, timeout=60).stdout


def checked(data):
    """As base32, with the CRC-16 (XMODEM) of it."""
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return base64.b32encode(data + crc.to_bytes(2, "little")).decode().rstrip("=")


class Key:
    def __init__(self, folder, name, kind):
        self.kind = kind
        self.file = folder / f"{name}.pem"
        openssl("genpkey", "-algorithm", "ed25519", "-out", self.file)
        # The last 32 bytes of both encodings are the key.
        self.public = checked(bytes([kind]) + openssl("pkey", "-in", self.file, "-pubout", "-outform", "DER")[-32:])

    def seed(self):
        head = bytes([SEED | self.kind >> 5, (self.kind & 31) << 3])
        return checked(head + openssl("pkey", "-in", self.file, "-outform", "DER")[-32:])

    def sign(self, subject, name, claims):
        """A token that says who `subject` is."""
        def part(value):
            return base64.urlsafe_b64encode(value if isinstance(value, bytes) else json.dumps(value).encode()).rstrip(b"=")
        body = part({"typ": "JWT", "alg": "ed25519-nkey"}) + b"." + part(
            {"jti": name, "iat": 1, "iss": self.public, "sub": subject.public, "name": name, "nats": {"version": 2, **claims}})
        message = self.file.with_suffix(".claims")
        message.write_bytes(body)
        signature = openssl("pkeyutl", "-sign", "-inkey", self.file, "-rawin", "-in", message)
        return (body + b"." + part(signature)).decode()


def certificates(folder):
    """ca.pem, and server.pem with server.key for localhost."""
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", 2, "-subj", "/CN=an authority",
            "-keyout", folder / "ca.key", "-out", folder / "ca.pem")
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=localhost",
            "-keyout", folder / "server.key", "-out", folder / "server.csr")
    names = folder / "names"
    names.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    openssl("x509", "-req", "-in", folder / "server.csr", "-CA", folder / "ca.pem", "-CAkey", folder / "ca.key", "-CAcreateserial",
            "-days", 2, "-extfile", names, "-out", folder / "server.pem")


def credentials(folder):
    """Write the user's nats.creds, and return what the server's configuration says of operator and accounts."""
    operator, system, account = (Key(folder, n, k) for n, k in (("operator", OPERATOR), ("system", ACCOUNT), ("account", ACCOUNT)))
    user = Key(folder, "user", USER)
    without = dict.fromkeys(("subs", "data", "payload", "imports", "exports", "conn", "leaf"), -1) | {"wildcards": True}
    store = {"mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1}
    claims = {system: operator.sign(system, "system", {"type": "account", "limits": without}),
              account: operator.sign(account, "hourfold", {"type": "account", "limits": without | store})}
    token = account.sign(user, "user", {"type": "user", "pub": {}, "sub": {}, "subs": -1, "data": -1, "payload": -1})
    (folder / "nats.creds").write_text(
        f"-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{user.seed()}\n------END USER NKEY SEED------\n")
    preload = "\n".join(f"  {key.public}: {text}" for key, text in claims.items())
    operator_token = operator.sign(operator, "operator", {"type": "operator"})
    return (f"operator: {operator_token}\nsystem_account: {system.public}\nresolver: MEMORY\n"
            f"resolver_preload {{\n{preload}\n}}\n")


def server_configuration(folder, port):
    """All that is needed into `folder`: nats.conf, for the server; nats.creds and ca.pem, for its users."""
    certificates(folder)
    accounts = credentials(folder)
    (folder / "nats.conf").write_text(f"""
listen: "127.0.0.1:{port}"
max_payload: 1MB
jetstream {{ store_dir: "{folder}/streams", max_memory_store: 16MB, max_file_store: 40GB }}
tls {{ cert_file: "{folder}/server.pem", key_file: "{folder}/server.key" }}
{accounts}""")
