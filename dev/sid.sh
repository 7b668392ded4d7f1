# Download Debian's newest packages (suite sid) and unpack them below .local/ without installing them: the system and
# its apt lists stay unchanged, and root is not needed. To be sourced, not run.

# Set SID to the apt options that use private, freshly updated lists.
#   sid_open LOG
sid_open() {
    local apt=$LOCAL/apt uri keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    command -v apt-get >/dev/null || return 1
    rm -rf "$apt/lists"
    mkdir -p "$apt/lists/partial" "$apt/archives/partial" "$apt/debs"
    # Use the mirror that this machine is configured for.
    uri=$(apt-get indextargets --format '$(ORIGIN) $(REPO_URI)' 2>/dev/null | awk '$1 == "Debian" {print $2; exit}')
    [ -n "$uri" ] || uri=$(apt-get indextargets --format '$(REPO_URI)' 2>/dev/null | grep -m1 '/debian/*$') || return 1
    [ -f $keyring ] || keyring=/usr/share/keyrings/debian-archive-keyring.pgp
    echo "deb [signed-by=$keyring] $uri sid main" >"$apt/sources.list"
    SID=(-q -o "Dir::Etc::sourcelist=$apt/sources.list" -o Dir::Etc::sourceparts=-
        -o "Dir::State::Lists=$apt/lists" -o "Dir::Cache=$apt" -o "APT::Sandbox::User=$(id -un)")
    apt-get "${SID[@]}" update >"$1" 2>&1
}

# Download packages into .local/apt/debs, which is emptied first.
#   sid_download LOG PACKAGE…
sid_download() {
    local log=$1
    shift
    (cd "$LOCAL/apt/debs" && rm -f ./*.deb && apt-get "${SID[@]}" download "$@" >>"$log" 2>&1)
}

# Print a package and all its dependencies.
sid_needs() {
    apt-cache "${SID[@]}" depends --recurse --no-pre-depends --no-recommends --no-suggests --no-conflicts \
        --no-breaks --no-replaces --no-enhances "$1" 2>/dev/null | grep '^[a-z0-9]' | sort -u
}

# Unpack the downloads into a new folder and delete them.
#   sid_unpack FOLDER
sid_unpack() {
    rm -rf "$1"
    mkdir -p "$1"
    local deb
    for deb in "$LOCAL/apt/debs/"*.deb; do
        dpkg -x "$deb" "$1" || { echo "$(basename "$deb") is damaged" >&2; return 1; }
    done
    rm -rf "$LOCAL/apt"
}
