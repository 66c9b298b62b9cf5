# To be sourced: packages of any of Debian's releases, whatever this system is. They are looked up in a package state of
# their own, which leaves the system's own alone.

# Any of the system's own mirrors of Debian has the other suites too.
mirror() {
    local found
    found=${DEBIAN_MIRROR:-$(apt-get indextargets --format "\$(REPO_URI)" | grep -m 1 -E '/debian/?$')} || {
        echo "this system's apt sources name no mirror of Debian; set DEBIAN_MIRROR to one" >&2
        return 1
    }
    echo "$found"
}

# debian STATE SUITE TOOL ARGUMENTS...: a tool of apt, on the packages of a suite. (The names here are not those
# of the scripts that source this, whose constants cannot be local anew.)
debian() {
    local kept=$1 of=$2 key=/usr/share/keyrings/debian-archive-keyring.gpg
    mkdir -p "$kept"/{lists/partial,archives/partial}
    touch "$kept/status"
    echo "deb [signed-by=$key] $(mirror) $of main" >"$kept/sources.list"
    "$3" -o APT::Architecture=amd64 -o APT::Sandbox::User=root -o Acquire::Languages=none \
        -o Dir::Etc::SourceList="$kept/sources.list" -o Dir::Etc::SourceParts=/dev/null \
        -o Dir::State="$kept" -o Dir::State::Status="$kept/status" -o Dir::Cache="$kept" "${@:4}"
}
