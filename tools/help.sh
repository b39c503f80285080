# For the tools that are shell scripts, sourced at their beginning: asked with --help or -h, one prints the comment it begins with, and ends.
if [ "${1:-}" = --help ] || [ "${1:-}" = -h ]; then
	sed -n '2,${/^#/!q;s/^# \{0,1\}//p}' "$0"
	exit 0
fi
