#!/bin/bash
# Build the image's two stages without Docker and prove that the result serves: each RUN and COPY of
# the Dockerfile is executed as written in bare Debian roots, then the service answers a request.
# Needs root, debootstrap and a Debian mirror. Usage: docker/chroot_check.sh [FOLDER]
set -euo pipefail

source_dir=$(cd "$(dirname "$0")/.." && pwd)
work=${1:-$(mktemp -d)}
suite=bookworm # its python3 is 3.11, as in python:3.11-slim
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
port=${CHECK_PORT:-18099}

base() { # a root with what python:3.11-slim has: Python 3.11 under the names python and pip
  debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates \
    "$suite" "$work/$1" "$mirror" > "$work/$1.log"
  ln -sf python3 "$work/$1/usr/bin/python"
  cp /etc/resolv.conf "$work/$1/etc/resolv.conf"
  mount_in "$1"
}

mount_in() {
  mount -t proc proc "$work/$1/proc"
  mount --bind /dev "$work/$1/dev"
  mount --bind /sys "$work/$1/sys"
}

cleanup() {
  [ -z "${server:-}" ] || kill "$server" 2> /dev/null || true
  for stage in build final; do
    for inner in proc dev sys; do
      mountpoint -q "$work/$stage/$inner" && umount -l "$work/$stage/$inner"
    done
  done
}
trap cleanup EXIT

enter() { # STAGE USER FOLDER COMMAND: run a shell command as a RUN step does
  chroot "$work/$1" /usr/bin/env -i HOME=/root PATH="$(path_of "$1")" ${pip_environment[@]+"${pip_environment[@]}"} \
    sh -c "cd '$2' && $3"
}

path_of() { echo "${stage_path[$1]:-/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin}"; }

# A machine behind a package mirror passes its pip settings on, as `docker build --build-arg` would.
pip_environment=()
for name in PIP_INDEX_URL PIP_EXTRA_INDEX_URL PIP_CERT PIP_FIND_LINKS SSL_CERT_FILE HTTPS_PROXY https_proxy; do
  [ -z "${!name:-}" ] || pip_environment+=("$name=${!name}")
done

declare -A stage_path
stage="" folder=/
settings=()

step() { # INSTRUCTION ARGUMENTS
  local instruction=$1 arguments=$2
  case $instruction in
    FROM)
      if [[ $arguments == *" AS "* ]]; then stage=build; else stage=final; fi
      folder=/
      base "$stage"
      for certificate in ${PIP_CERT:+"$PIP_CERT"}; do
        install -D "$certificate" "$work/$stage$certificate"
      done
      ;;
    WORKDIR) folder=$arguments; mkdir -p "$work/$stage$folder" ;;
    COPY)
      if [[ $arguments == --from=build* ]]; then
        read -r _ from to <<< "$arguments"
        mkdir -p "$(dirname "$work/$stage$to")"
        cp -a "$work/build$from" "$work/$stage$to"
      else
        # Like Docker: the content of a folder, or files, into the target.
        local words; read -ra words <<< "$arguments"
        local target="$work/$stage$folder/${words[-1]}"
        for word in "${words[@]:0:${#words[@]}-1}"; do
          if [ -d "$source_dir/$word" ]; then
            mkdir -p "$target" && cp -a "$source_dir/$word/." "$target/"
            rm -rf "$target/local"
          else
            cp "$source_dir/$word" "$target"
          fi
        done
      fi
      ;;
    RUN) enter "$stage" "$folder" "$arguments" ;;
    ENV)
      local pair
      for pair in $arguments; do
        if [[ $pair == PATH=* ]]; then
          stage_path[$stage]="/opt/mouthpiece/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
        else
          settings+=("$pair")
        fi
      done
      ;;
  esac
}

# Join continued lines, drop comments, and take every instruction in order.
while IFS= read -r line; do
  instruction=${line%% *}
  printf '%s\n' "== ${line:0:110}"
  step "$instruction" "${line#* }"
done < <(sed -e '/^#/d' -e ':a' -e '/\\$/{N;s/\\\n *//;ba' -e '}' -e '/^$/d' "$source_dir/Dockerfile")

du -sh "$work/final/opt/mouthpiece"
du -sh --exclude=proc --exclude=dev --exclude=sys "$work/final"
if chroot "$work/final" sh -c 'command -v gcc || ls -d /opt/mouthpiece/lib/python3.11/site-packages/torch' 2> /dev/null; then
  echo "the final stage has a compiler or torch" >&2
  exit 1
fi

# No network: what serves may use loopback only.
isolate=()
if unshare --net true 2> /dev/null && command -v ip > /dev/null; then isolate=(unshare --net --); fi
cat > "$work/final/tmp/ask.py" << 'PYTHON'
import base64, io, json, math, struct, sys, time, urllib.request as web, wave
port = sys.argv[1]
for _ in range(240):
    try:
        if web.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5).status == 200:
            break
    except OSError:
        time.sleep(0.5)
sound = io.BytesIO()
with wave.open(sound, "wb") as out:
    out.setparams((2, 2, 48000, 0, "NONE", ""))
    tone = [int(8000 * math.sin(n / 24)) for n in range(48000)]
    out.writeframes(b"".join(struct.pack("<hh", v, v) for v in tone))
body = json.dumps({"byte_str": base64.b64encode(sound.getvalue()).decode()}).encode()
headers = {"Content-Type": "application/json", "Authorization": "Bearer None"}
reply = json.load(web.urlopen(web.Request(f"http://127.0.0.1:{port}/v1/animation", body, headers)))
print(json.dumps(reply))
assert reply["video_path"].endswith("/result.mp4")
film = web.urlopen(f"http://127.0.0.1:{port}" + reply["video_url"].split("/", 3)[3].join(["/", ""])).read()
assert film[4:8] == b"ftyp", film[:12]
PYTHON
loopback="${isolate:+ip link set lo up;}"
timeout 300 ${isolate[@]+"${isolate[@]}"} bash -c "$loopback
  run() { exec chroot --userspec=1000:1000 '$work/final' /usr/bin/env -i HOME=/home/user PATH='$(path_of final)' ${settings[*]} MOUTHPIECE_PORT=$port MOUTHPIECE_EXTRA_PORTS= \"\$@\"; }
  run mouthpiece serve & server=\$!
  (run python /tmp/ask.py $port); status=\$?
  kill -TERM \$server; wait \$server
  exit \$status"
echo "the image's tree serves /v1/animation as an ordinary user${isolate:+ without a network}"
