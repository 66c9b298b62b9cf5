# Completion of mptcp-apply in bash.
# Generated from a template by a test; SNAPSHOTS=overwrite cargo test generated

# What words may be: themselves, or with @ a kind of word, which _mptcp_apply_words and _mptcp_apply know.

# The options of a command; none is that which applies.
_mptcp_apply_options() {
    case $1 in
    "") echo "-n --dry-run --rehearse --diff --detailed-exitcode --wait --strict -w --watch --resync --metrics --netns --format --color -q --quiet -v --verbose --root-dir -h --help -V --version" ;;
    check) echo "--strict --merged --each --format --color -q --quiet -v --verbose --root-dir -h --help" ;;
    status) echo "--detailed-exitcode --netns --format --color -q --quiet -v --verbose --root-dir -h --help" ;;
    show) echo "--connections --all --id --netns --format --color -q --quiet -v --verbose --root-dir -h --help" ;;
    try) echo "--timeout --confirm-with --strict --netns --format --color -q --quiet -v --verbose --root-dir -h --help" ;;
    doctor) echo "--probe --report --netns --format --color -q --quiet -v --verbose --root-dir -h --help" ;;
    monitor) echo "--netns --format --color -q --quiet -v --verbose --root-dir -h --help" ;;
    connection) echo "--netns --format --color -q --quiet -v --verbose --root-dir -h --help" ;;
    renew) echo "-n --dry-run --force --netns --format --color -q --quiet -v --verbose --root-dir -h --help" ;;
    history) echo "--netns --format --color -q --quiet -v --verbose --root-dir -h --help" ;;
    init) echo "--client --server --netns --format --color -q --quiet -v --verbose --root-dir -h --help" ;;
    schema) echo "--format --color -q --quiet -v --verbose --root-dir -h --help" ;;
    esac
}

# The values of an option of a command. Fails for an option without a value.
_mptcp_apply_value() {
    case $1:$2 in
    *:--wait) echo "" ;;
    *:--resync) echo "" ;;
    *:--metrics) echo "@files" ;;
    *:--netns) echo "@netns" ;;
    :--format) echo "text json" ;;
    *:--color) echo "auto always never" ;;
    *:--root-dir) echo "@folders" ;;
    check:--format) echo "text json" ;;
    status:--format) echo "text json openmetrics" ;;
    *:--id) echo "@ids" ;;
    show:--format) echo "text json yaml" ;;
    *:--timeout) echo "" ;;
    *:--confirm-with) echo "@programs" ;;
    try:--format) echo "text json" ;;
    *:--probe) echo "" ;;
    doctor:--format) echo "text json" ;;
    monitor:--format) echo "text json" ;;
    connection:--format) echo "text json" ;;
    renew:--format) echo "text json" ;;
    history:--format) echo "text json yaml" ;;
    init:--format) echo "text json yaml" ;;
    schema:--format) echo "text json" ;;
    *) return 1 ;;
    esac
}

# What may stand in the place of an argument of a command.
_mptcp_apply_argument() {
    case $1:$2 in
    :0) echo "check status show try doctor monitor connection renew history init schema help @files" ;;
    :*) echo "@files" ;;
    check:*) echo "@files" ;;
    status:*) echo "@files" ;;
    try:*) echo "@files" ;;
    doctor:*) echo "@files" ;;
    connection:0) echo "@tokens" ;;
    connection:1) echo "announce remove create destroy set" ;;
    renew:*) echo "@endpoints" ;;
    help:0) echo "check status show try doctor monitor connection renew history init schema help" ;;
    esac
}

# The words that these stand for now, a line each. What a shell would not take as it is is left out.
_mptcp_apply_words() {
    local word name
    for word; do
        case $word in
        @netns)
            for name in /run/netns/*; do
                name=${name##*/}
                [[ $name == *[!A-Za-z0-9._@%+-]* ]] || echo "$name"
            done
            ;;
        @ids)
            "$program" show "${netns[@]}" 2>/dev/null | sed -n 's/^[^ ]* \(port [0-9]* \)\{0,1\}id \([0-9]*\) .*/\2/p'
            ;;
        @endpoints)
            "$program" show "${netns[@]}" 2>/dev/null |
                sed -n 's/^\([^ ]*\) \(port [0-9]* \)\{0,1\}id .*   \([^ ]*\)$/\3/; s/ \(port [0-9]* \)\{0,1\}id .*//; /^[A-Za-z0-9.:_-]*$/p'
            ;;
        @tokens)
            "$program" connection "${netns[@]}" 2>/dev/null | sed -n 's/^connection \([0-9a-f]*\) .*/\1/p'
            ;;
        @*) ;;
        *) echo "$word" ;;
        esac
    done
}

_mptcp_apply() {
    local program=${1-mptcp-apply} word words=() netns=() verb='' option='' only_arguments='' count=0
    # bash takes = and : for words of their own. Of the last word, what stands behind the cursor does not count.
    local last=${COMP_WORDS[COMP_CWORD]}
    [[ $last == [=:]* ]] || last=${2-$last}
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}" "$last"; do
        if [[ ${#words[@]} -gt 0 && ($word == [=:]* || ${words[-1]} == *: || ${words[-1]} == --*=) ]]; then
            words[-1]+=$word
        else
            words+=("$word")
        fi
    done
    local cur=${words[-1]}
    unset 'words[-1]'
    for word in "${words[@]}"; do
        if [[ -n $option ]]; then
            [[ $option != --netns ]] || netns=(--netns "$word")
            option=''
        elif [[ -n $only_arguments || $word != -?* ]]; then
            if [[ -z $verb && $count -eq 0 && " check status show try doctor monitor connection renew history init schema help " == *" $word "* ]]; then
                verb=$word
            else
                ((count += 1))
            fi
        elif [[ $word == -- ]]; then
            only_arguments=1
            # No command comes any more.
            ((count += 1))
        elif [[ $word == --netns=* ]]; then
            netns=("$word")
        elif [[ $word != --*=* ]] && _mptcp_apply_value "$verb" "$word" >/dev/null; then
            option=$word
        fi
    done
    local kinds prefix=''
    if [[ -n $option ]]; then
        kinds=$(_mptcp_apply_value "$verb" "$option")
    elif [[ -z $only_arguments && $cur == --*=* ]]; then
        kinds=$(_mptcp_apply_value "$verb" "${cur%%=*}")
        [[ $COMP_WORDBREAKS == *=* ]] || prefix=${cur%%=*}=
        cur=${cur#*=}
    elif [[ -z $only_arguments && $cur == -* ]]; then
        kinds=$(_mptcp_apply_options "$verb")
    else
        kinds=$(_mptcp_apply_argument "$verb" "$count")
    fi
    local replies=() action=''
    # shellcheck disable=SC2086 # a list of words
    mapfile -t replies < <(compgen -W "$(_mptcp_apply_words $kinds)" -- "$cur")
    case " $kinds " in
    *" @files "*) action="file" ;;
    *" @folders "*) action="directory" ;;
    *" @programs "*) action="command" ;;
    esac
    if [[ -n $action ]]; then
        mapfile -t -O "${#replies[@]}" replies < <(compgen -A "$action" -- "$cur")
        # Outside of a completion, where only the words are asked for, there is nothing to quote.
        [[ $action == command ]] || compopt -o filenames 2>/dev/null
    fi
    COMPREPLY=("${replies[@]/#/$prefix}")
    # What stands before the last colon is no part of the word that bash replaces.
    if [[ $COMP_WORDBREAKS == *:* && $cur == *:* ]]; then
        COMPREPLY=("${COMPREPLY[@]#"${cur%"${cur##*:}"}"}")
    fi
}

complete -F _mptcp_apply mptcp-apply
