#!/bin/sh
# Make a face speak with curl, in every way the service offers.
# Usage: curl.sh http://localhost:8080 face.png speech.wav OUTPUT_FOLDER
set -eu
service=$1 face=$2 speech=$3 output=$4

# Form in, film out.
curl -fsS -X POST "$service/v1/animation" \
  -F "audio=@$speech" -F "avatar=@$face" -F "fps=10" \
  -o "$output/animation.mp4"

# Cache a face once, then send sound only.
curl -fsS -X POST "$service/cache-avatar" -F "avatar=@$face" -F "avatar_id=anna"
curl -fsS -X POST "$service/v1/animation-with-cache" \
  -F "audio=@$speech" -F "avatar_id=anna" -F "fps=10" \
  -o "$output/cached.mp4"

# Other sound for a video.
curl -fsS -X POST "$service/sync" -F "video=@$face" -F "audio=@$speech" -o "$output/sync.mp4"

# JSON as OPEA sends it; the answer says where the film is.
printf '{"byte_str": "%s", "avatar_id": "anna"}' "$(base64 -w0 "$speech")" |
  curl -fsS -X POST "$service/v1/animation" \
    -H "Content-Type: application/json" --data-binary @- > "$output/reply.json"

curl -fsS "$service/health"
