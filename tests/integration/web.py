# SPDX-License-Identifier: Apache-2.0
"""The web servers hourfold is shipped for, each with its file of etc/ as an administrator would include it."""
import os
import pathlib
import re
import signal
import socket
import time

APACHE_MODULES = pathlib.Path("/usr/lib/apache2/modules")


def apache_module(name):
    return (APACHE_MODULES / f"{name}.so").is_file()


class WebServer:
    """A server on one port. start() tells whether it listens; the caller may try another port where it was taken."""

    needs = ()
    count = 0
    samples_at_once = 9000  # that fit into one body, as JSON objects of some 75 bytes

    # What an administrator changes to mount hourfold below /stats, as the comments in the snippets say it.
    below_a_prefix = ()

    def __init__(self, rig, port, prefix=""):
        self.rig = rig
        self.port = port
        self.prefix = prefix
        type(self).count += 1
        self.name = f"{self.kind}-{self.count}"
        self.folder = rig.path / "run" / self.name
        self.folder.mkdir(mode=0o700)
        rig._give(self.folder)
        self.helpers = []

    def snippet(self, file, **fields):
        """The file of etc/, filled in and mounted at the prefix."""
        path = self.rig.instantiate(file, self.rig.path / "etc" / f"{self.name}.snippet", **fields)
        if self.prefix:
            text = path.read_text()
            for old, new in self.below_a_prefix:
                if old not in text:
                    raise ValueError(f"{file} has no {old}")
                text = text.replace(old, new.replace("/stats", self.prefix))
            path.write_text(text)
        return path

    def start(self):
        self.process = self.rig._add(self.name, self.command())
        self.process.clear = self.clear
        self.process.start()
        deadline = time.monotonic() + 20
        while self.process.alive() and time.monotonic() < deadline:
            if self._listens():
                return True
            time.sleep(0.02)
        self.process.expected_end = True
        self.stop()
        return False

    def clear(self):
        """End what an earlier parent process left behind when it was killed, as systemd would."""

    def port_was_taken(self):
        logs = (self.rig.path / "log").glob(f"{self.name}*.log")
        return any("Address already in use" in log.read_text("utf-8", "replace") for log in logs)

    def _listens(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            return True
        except OSError:
            return False

    def stop(self):
        self.process.stop(20, self.stop_signal)
        for helper in self.helpers:
            helper.stop()

    stop_signal = signal.SIGTERM


class Lighttpd(WebServer):
    kind = "lighttpd"
    needs = ("lighttpd",)
    # Finishes what is being answered, as `systemctl stop` has it too; SIGTERM would cut it off.
    stop_signal = signal.SIGINT
    below_a_prefix = (("^/collect", "^/stats/collect"), ('( "/" =>', '( "/stats" =>'))

    def command(self):
        snippet = self.snippet("lighttpd.conf", rundir=self.folder)
        main = self.rig.path / "etc" / f"{self.name}.conf"
        log = self.rig.path / "log"
        main.write_text(f"""
server.bind = "127.0.0.1"
server.port = {self.port}
server.document-root = "{self.rig.path}/www"
server.errorlog = "{log}/{self.name}.error.log"
server.breakagelog = "{log}/{self.name}.breakage.log"
include "{snippet}"
""")
        return ["lighttpd", "-D", "-f", main]


class Apache(WebServer):
    modules = ()
    needs = ("apache2",)

    def clear(self):
        """Apache's own processes, which listen on. Not the handlers: those have to see to themselves."""
        for pid in self.rig.found():
            command = pathlib.Path(f"/proc/{pid}/cmdline")
            try:
                if command.read_bytes() == "".join(f"{word}\0" for word in self.process.argv).encode():
                    os.kill(pid, signal.SIGKILL)
            except OSError:
                pass

    def main(self, body):
        """A configuration of our own around the snippet: nothing of the machine's Apache is read."""
        needed = ("mpm_event", "authz_core", "env", "mime", "dir", "reqtimeout", *self.modules)
        loads = "\n".join(f"LoadModule {name}_module {APACHE_MODULES}/mod_{name}.so" for name in needed)
        main = self.rig.path / "etc" / f"{self.name}.conf"
        main.write_text(f"""
ServerRoot "{self.folder}"
ServerName 127.0.0.1
Listen 127.0.0.1:{self.port}
PidFile "{self.folder}/pid"
DefaultRuntimeDir "{self.folder}"
ErrorLog "{self.rig.path}/log/{self.name}.error.log"
LogLevel notice
DocumentRoot "{self.rig.path}/www"
{loads}
TypesConfig /dev/null
# As the snippets advise.
StartServers 4
ThreadsPerChild 64
ServerLimit 40
MaxRequestWorkers 2560
MaxSpareThreads 2560
{body}
""")
        return ["apache2", "-DFOREGROUND", "-f", main]


class ApacheFcgid(Apache):
    kind = "mod_fcgid"
    needs = ("apache2", "mod_fcgid")
    modules = ("alias", "fcgid")
    below_a_prefix = (('ScriptAlias "/', 'ScriptAlias "/stats/'),)

    def fcgid(self):
        """mod_fcgid hands no variables of its own environment on."""
        handed_on = "".join(f'FcgidInitialEnv {name} "{value}"\n' for name, value in self.rig.environment.items()
                            if name.endswith("SAN_OPTIONS"))
        return f'FcgidIPCDir "{self.folder}"\nFcgidProcessTableFile "{self.folder}/fcgid_shm"\n{handed_on}'

    def command(self):
        return self.main(self.fcgid() + f'Include "{self.snippet("apache-mod_fcgid.conf")}"')


class ApacheProxy(Apache):
    kind = "mod_proxy_fcgi"
    needs = ("apache2",)
    modules = ("proxy", "proxy_fcgi")
    below_a_prefix = (('<Location "/">', '<Location "/stats">'), ("^/collect", "^/stats/collect"),
                      ('SCRIPT_NAME ""', 'SCRIPT_NAME "/stats"'))

    def command(self):
        return self.main(f'Include "{self.snippet("apache-mod_proxy_fcgi.conf", rundir=self.folder)}"')

    def start(self):
        for name in ("hourfold-collect", "hourfold-query"):
            self.helpers.append(self.rig.daemon(f"{self.name}.{name}", [
                self.rig.program(name), "-s", f"unix:{self.folder}/{name}.sock"]))
        return super().start()


class ApacheHtaccess(ApacheFcgid):
    kind = "htaccess"
    samples_at_once = 1500  # FcgidMaxRequestLen as the host left it, 131,072 bytes
    modules = ("fcgid", "rewrite")

    def command(self):
        www = self.rig.path / "www" / self.name
        folder = www / self.prefix.lstrip("/")
        folder.mkdir(parents=True)
        self.rig.instantiate("htaccess", folder / ".htaccess")
        for name in ("hourfold-collect.fcgi", "hourfold-query.fcgi"):
            os.chmod(self.rig.instantiate("wrapper.fcgi", folder / name), 0o755)
        return self.main(self.fcgid() + f"""
DocumentRoot "{www}"
<Directory "{www}">
    AllowOverride FileInfo Options AuthConfig Indexes
    Require all granted
</Directory>
""")


class Installed:
    """The piece that a2enconf or lighty-enable-mod enables, as it was installed: `file`, its sockets replaced. The handlers are
    started as systemd does, with their sockets on descriptor 0."""

    file = None
    prefixed = "/hourfold"

    def __init__(self, rig, port, prefix=""):
        super().__init__(rig, port, self.prefixed)

    def snippet(self, file, **fields):
        text = re.sub(r"[^\s\":]*/hourfold/(hourfold-(collect|query)\.sock)", rf"{self.folder}/\1", self.file.read_text())
        path = self.rig.path / "etc" / f"{self.name}.snippet"
        path.write_text(text)
        return path

    def start(self):
        for name in ("hourfold-collect", "hourfold-query"):
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(f"{self.folder}/{name}.sock")
                listener.listen(4096)
                self.rig._give(self.folder)
                self.helpers.append(self.rig.daemon(f"{self.name}.{name}", [self.rig.program(name)], stdin=listener))
        return WebServer.start(self)


class InstalledLighttpd(Installed, Lighttpd):
    kind = "installed-lighttpd"

    def command(self):
        command = super().command()
        main = command[-1]
        main.write_text('server.modules = ( "mod_access", "mod_fastcgi" )\n' + main.read_text())
        return command


class InstalledApache(Installed, ApacheProxy):
    kind = "installed-apache"
    modules = ("authz_host", "proxy", "proxy_fcgi")


KINDS = {server.kind: server for server in (Lighttpd, ApacheFcgid, ApacheProxy, ApacheHtaccess,
                                          InstalledLighttpd, InstalledApache)}
