# To be sourced from the project's folder: virtual machines with other kernels. They run under qemu, by software
# emulation, so that no permission is needed, and the same happens everywhere. A guest is an initial RAM disk of what it is
# given, and nothing else. Kernels are kept in $MPTCP_APPLY_KERNELS, by default in ~/.cache/mptcp-apply/kernels.

# shellcheck disable=SC2034 # for those that source this
guest_kernels=${MPTCP_APPLY_KERNELS:-${XDG_CACHE_HOME:-$HOME/.cache}/mptcp-apply/kernels}

# Prints a Debian package for each tool that is not there.
guest_missing() {
    local tool
    for tool in qemu-system-x86_64:qemu-system-x86 cpio:cpio depmod:kmod strip:binutils apt-get:apt dpkg-deb:dpkg \
        ip:iproute2; do
        command -v "${tool%:*}" >/dev/null || echo "${tool#*:}"
    done
}

# guest_archive FOLDER [BELOW]: prints an archive of what is in a folder, as the kernel unpacks it at boot.
guest_archive() { (cd "$1" && find "${2:-.}" -print0 | cpio --null --create --format newc --owner +0:+0 --quiet); }

# guest_payload FOLDER PROGRAM...: fills it with programs of this system, with the libraries that they are linked to, and
# with the first process. That wants a file `arguments`: what it is to run, in one line.
guest_payload() {
    local payload=$1 name path file
    shift
    mkdir -p "$payload"/{dev,proc,sys,run,root}
    mkdir -m 1777 "$payload/tmp"
    for name in "$@"; do
        path=$(type -P "$name")
        for file in "$path" $(ldd "$path" | grep -o '/[^ ]*'); do
            cp --dereference --parents "$file" "$payload"
        done
    done
    cp tests/kernels/init "$payload/init"
}

# guest_boot KERNEL LOG SECONDS ENVIRONMENT ARCHIVE...: boots a kernel, which `tests/kernels/fetch` has put into that folder,
# with these archives, and writes what is said there to a file, and to LOG.console what the kernel says. The guest ends by
# itself, or with the time; while it runs, the number of its process is in LOG.pid. The kernel hands the words of the
# environment to the first process.
guest_boot() {
    local kernel=$1 log=$2 seconds=$3 environment=$4
    { guest_archive "$kernel" lib && cat "${@:5}"; } >"$log.initrd"
    # A plain processor is the fastest one to emulate. Its 16-byte exchange is left out: 6.12 died of it at random.
    timeout "$seconds" qemu-system-x86_64 -accel tcg -cpu qemu64,-cx16 -m 1024 \
        -nodefaults -display none -no-reboot -pidfile "$log.pid" \
        -kernel "$kernel/vmlinuz" -initrd "$log.initrd" \
        -serial "file:$log.console" -serial "file:$log" \
        -append "console=ttyS0 quiet panic=-1 mitigations=off rdinit=/init $environment" \
        </dev/null >>"$log.console" 2>&1
    rm "$log.initrd"
}
