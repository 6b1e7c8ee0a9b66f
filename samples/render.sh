#!/usr/bin/env bash
# Renders the sample pictures from scenes/ and packs the PNGs.
#
#   samples/render.sh [NAME...]      all of them, or the named ones
#
# Needs povray (3.7) and zopflipng (Debian: povray, zopfli). One thread, so that radiosity and jitter
# come out the same each time; give NAMEs to run several by hand.
set -euo pipefail
cd "$(dirname "$0")"

# name  width  height  further options
table="
still-life     768  512  -A
hills         1536 1024  +A0.08 +AM2 +R2
harbour-night  768  512  +A0.03 +AM2 +R3
sign           512  768  +A0.05 +AM2 +R3
brick          768  512  +A0.05 +AM2 +R2
interior-gray  768  512  +A0.05 +AM2 +R2 Grayscale_Output=on
glass-alpha    333  251  -A +UA
"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

render() { # name width height options...
  local name=$1 width=$2 height=$3
  shift 3
  echo "$name: $width x $height" >&2
  (cd scenes && povray "$name.pov" "+O$work/$name.png" "+W$width" "+H$height" +FN8 "$@" \
    -D -GA +WT1 Dither=off >"$work/$name.log" 2>&1) || { cat "$work/$name.log" >&2; return 1; }
  # Gray comes out of POV-Ray with 16 bits, whatever is asked for.
  zopflipng -y --lossy_8bit --iterations=5 --filters=0me "$work/$name.png" "$name.png" >/dev/null
}

echo "$table" | while read -r name width height options; do
  [ -n "$name" ] || continue
  if [ $# -eq 0 ] || [[ " $* " == *" $name "* ]]; then
    # shellcheck disable=SC2086  # options are words
    render "$name" "$width" "$height" $options
  fi
done
