#!/usr/bin/env bash
# The life of the Debian package on one machine: /mnt/old.deb and /mnt/new.deb, on an address that /mnt/listen names. Says
# each step that has been reached on a line of its own. Run by test_package.py in a machine that is thrown away.
set -euo pipefail

export DEBIAN_FRONTEND=noninteractive
unit=/usr/lib/systemd/system/rollcall.service
reached() { echo "reached: $*"; }
setting() { sed -n "s/^$1=//p" "$unit"; }
settings() { xargs -a /etc/default/rollcall; }
# Takes the place of this process, so that it is the one that is told to stop.
as_user() {
  local user
  user=$(setting User)
  # shellcheck disable=SC2046 # one word a setting
  exec setpriv --reuid "$user" --regid "$user" --clear-groups env $(settings) "$@"
}
# A command with the service's settings, as its user.
as_service() (
  as_user /usr/bin/rollcall --config /etc/rollcall/rollcall.toml "$@"
)

start() {
  umask "$(setting UMask)"
  local command
  read -ra command <<<"$(setting ExecStart)"
  as_user "${command[@]}" >>/tmp/log 2>&1 &
  server=$!
  for _ in $(seq 300); do
    if as_service healthcheck 2>/dev/null; then return; fi
    sleep 0.1
  done
  cat /tmp/log >&2
  exit 1
}

stop() {
  kill -TERM "$server"
  wait "$server"
}

# Systemd would read it; here its lines are the environment of each command.
printf 'ROLLCALL_HTTP__LISTEN=%s\nROLLCALL_SHUTDOWN__DRAIN=0s\n' "$(</mnt/listen)" >/etc/default/rollcall

dpkg --install /mnt/old.deb
[[ $(stat -c '%U %a' /var/lib/rollcall) == "rollcall 700" ]]
[[ $(stat -c '%U:%G %a' /etc/rollcall/rollcall.toml) == "root:rollcall 640" ]]
reached installed
if command -v systemd-analyze >/dev/null; then
  systemd-analyze verify "$unit"
  reached verified
fi
as_service doctor
start
reached answers
echo 'correct horse battery' | as_service user add --email ada@example.org
[[ $(stat -c '%U %a' /var/lib/rollcall/rollcall.db) == "rollcall 600" ]]
echo '# mine' >>/etc/rollcall/rollcall.toml
stop
reached stopped

dpkg --install /mnt/new.deb
grep -q '^# mine$' /etc/rollcall/rollcall.toml
start
if echo 'correct horse battery' | as_service user add --email ada@example.org 2>/tmp/why; then exit 1; fi
grep -q exists /tmp/why
stop
reached upgraded

dpkg --remove rollcall
[[ ! -e /usr/bin/rollcall && ! -e $unit ]]
[[ -s /var/lib/rollcall/rollcall.db && -s /var/lib/rollcall/identity.key ]]
grep -q '^# mine$' /etc/rollcall/rollcall.toml
reached removed

dpkg --install /mnt/new.deb
start
if echo 'correct horse battery' | as_service user add --email ada@example.org 2>/tmp/why; then exit 1; fi
grep -q exists /tmp/why
stop
reached "installed again"

dpkg --purge rollcall
[[ ! -e /var/lib/rollcall && ! -e /etc/rollcall ]]
if getent passwd rollcall; then exit 1; fi
reached purged
