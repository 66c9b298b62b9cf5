# To be sourced: packages of any of Debian's releases, whatever this system is. They are looked up in a package state of
# their own, which leaves the system's own alone.

debian_keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# Any of the system's own mirrors of Debian has the other suites too. Where it has none, debootstrap knows one.
mirror() {
    local found=${DEBIAN_MIRROR:-}
    [[ -n $found ]] || found=$({
        apt-get indextargets --format "\$(REPO_URI)"
        sed -n 's/^DEF_MIRROR="\(.*\)"/\1/p' /usr/sbin/debootstrap 2>/dev/null || true
    } | awk '/\/debian\/?$/ && !found++')
    if [[ -z $found ]]; then
        echo "no mirror of Debian is known: install debootstrap, which names one, or set DEBIAN_MIRROR" >&2
        return 1
    fi
    echo "$found"
}

# debian STATE SUITE TOOL ARGUMENTS...: a tool of apt, on the packages of a suite. (The names here are not those
# of the scripts that source this, whose constants cannot be local again.)
debian() {
    local kept=$1 of=$2
    mkdir -p "$kept"/{lists/partial,archives/partial}
    touch "$kept/status"
    echo "deb [signed-by=$debian_keyring] $(mirror) $of main" >"$kept/sources.list"
    "$3" -o APT::Architecture=amd64 -o APT::Sandbox::User=root -o Acquire::Languages=none \
        -o Dir::Etc::SourceList="$kept/sources.list" -o Dir::Etc::SourceParts=/dev/null \
        -o Dir::State="$kept" -o Dir::State::Status="$kept/status" -o Dir::Cache="$kept" "${@:4}"
}
