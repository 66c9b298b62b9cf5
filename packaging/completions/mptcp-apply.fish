# Completion of mptcp-apply in fish.
# Generated from a template by a test; SNAPSHOTS=overwrite cargo test generated

# The words before the cursor that are neither options nor their values.
function __mptcp_apply_words
    set -l value_of ''
    for token in (commandline -opc)[2..-1]
        if test -n "$value_of"
            set value_of ''
            continue
        end
        switch $token
            case --color --confirm-with --format --id --metrics --netns --probe --resync --root-dir --timeout --wait
                set value_of $token
            case -- '--'
                # No command comes any more.
                echo -- $token
            case '-?*'
            case '*'
                echo -- $token
        end
    end
end

# Whether this is the command, or none, and how many arguments it has so far.
function __mptcp_apply_at -a verb count
    set -l words (__mptcp_apply_words)
    if contains -- "$words[1]" check status show try doctor monitor connection renew history init schema help
        test "$words[1]" = "$verb"; or return 1
        set -e words[1]
    else
        test -z "$verb"; or return 1
    end
    test -z "$count"; or test (count $words) -eq $count
end

# What the program itself says, of the namespace that --netns names.
function __mptcp_apply_ask
    set -l tokens (commandline -opc)
    set -l netns (string match -r -- '^--netns=.*' $tokens)
    set -l at (contains -i -- --netns $tokens)
    and set netns --netns $tokens[(math $at + 1)]
    command $tokens[1] $argv $netns 2>/dev/null
end

function __mptcp_apply_netns
    for name in /run/netns/*
        string replace -r '.*/' '' -- $name
    end
end

function __mptcp_apply_ids
    __mptcp_apply_ask show | string replace -rf '^\S+ (?:port \d+ )?id (\d+) (.*)' '$1\t$2'
end

# Names, and addresses of those without one.
function __mptcp_apply_endpoints
    __mptcp_apply_ask show | string replace -rf '^(\S+) (?:port \d+ )?id .*?(?:   (\S+))?$' '$2 $1' | string trim | string replace -r ' .*' ''
end

function __mptcp_apply_tokens
    __mptcp_apply_ask connection | string replace -rf '^connection ([0-9a-f]+) .*' '$1'
end

complete -c mptcp-apply -f
complete -c mptcp-apply -n '__mptcp_apply_at "" 0' -a "check\t'Check the files alone; needs no kernel and no privilege'
status\t'Show whether the kernel is as declared, and what endpoints carry'
show\t'Show the kernel\'s current state'
try\t'Apply, and take the change back unless it is confirmed'
doctor\t'Explain why subflows are missing, with remedies'
monitor\t'Print events of connections and subflows'
connection\t'List live connections, or change one by hand'
renew\t'Ask for the subflows of an endpoint again'
history\t'List the states before the last runs, or print one'
init\t'Print a first configuration, made from this host'
schema\t'Print the JSON Schema of the configuration'
help\t'Print the help of a command'"
complete -c mptcp-apply -n '__mptcp_apply_at help 0' -a "check\t'Check the files alone; needs no kernel and no privilege'
status\t'Show whether the kernel is as declared, and what endpoints carry'
show\t'Show the kernel\'s current state'
try\t'Apply, and take the change back unless it is confirmed'
doctor\t'Explain why subflows are missing, with remedies'
monitor\t'Print events of connections and subflows'
connection\t'List live connections, or change one by hand'
renew\t'Ask for the subflows of an endpoint again'
history\t'List the states before the last runs, or print one'
init\t'Print a first configuration, made from this host'
schema\t'Print the JSON Schema of the configuration'
help\t'Print the help of a command'"
complete -c mptcp-apply -n '__mptcp_apply_at ""' -s n -l dry-run -d 'Print the plan and change nothing'
complete -c mptcp-apply -n '__mptcp_apply_at ""' -l rehearse -d 'Carry out the plan in a copy of this host'
complete -c mptcp-apply -n '__mptcp_apply_at ""' -l diff -d 'Print a unified diff of YAML too'
complete -c mptcp-apply -n '__mptcp_apply_at ""' -l detailed-exitcode -d 'Exit with 2 when the plan is not empty'
complete -c mptcp-apply -n '__mptcp_apply_at ""' -l wait -x -d 'Wait up to SECS for what is missing'
complete -c mptcp-apply -n '__mptcp_apply_at ""' -l strict -d 'Treat warnings as errors'
complete -c mptcp-apply -n '__mptcp_apply_at ""' -s w -l watch -d 'Keep running, and re-apply after changes'
complete -c mptcp-apply -n '__mptcp_apply_at ""' -l resync -x -d 'With --watch: re-apply every SECS [30]'
complete -c mptcp-apply -n '__mptcp_apply_at ""' -l metrics -r -F -d 'With --watch: write metrics to FILE'
complete -c mptcp-apply -n '__mptcp_apply_at ""' -l netns -x -a '(__mptcp_apply_netns)' -d 'Use this named network namespace'
complete -c mptcp-apply -n '__mptcp_apply_at ""' -l format -x -a "text\t'For people'
json\t'For programs, one document a line'" -d 'text, json, yaml (show), openmetrics'
complete -c mptcp-apply -n '__mptcp_apply_at ""' -l color -x -a "auto\t'When the output is a terminal'
always\t'Always'
never\t'Never'" -d 'Use colours; NO_COLOR is honoured'
complete -c mptcp-apply -n '__mptcp_apply_at ""' -s q -l quiet -d 'Print errors only'
complete -c mptcp-apply -n '__mptcp_apply_at ""' -s v -l verbose -d 'Log files and steps; -vv: netlink messages'
complete -c mptcp-apply -n '__mptcp_apply_at ""' -l root-dir -x -a '(__fish_complete_directories)' -d 'Find the standard folders below DIR'
complete -c mptcp-apply -n '__mptcp_apply_at ""' -s h -l help -d 'Print a summary; `--help` prints everything'
complete -c mptcp-apply -n '__mptcp_apply_at ""' -s V -l version -d 'Print version'
complete -c mptcp-apply -n '__mptcp_apply_at ""' -F
complete -c mptcp-apply -n '__mptcp_apply_at check' -l strict -d 'Treat warnings as errors'
complete -c mptcp-apply -n '__mptcp_apply_at check' -l merged -d 'Print the merged configuration'
complete -c mptcp-apply -n '__mptcp_apply_at check' -l each -d 'Judge each file by itself'
complete -c mptcp-apply -n '__mptcp_apply_at check' -l format -x -a "text\t'For people'
json\t'For programs, one document a line'" -d 'text, json, yaml (show), openmetrics'
complete -c mptcp-apply -n '__mptcp_apply_at check' -l color -x -a "auto\t'When the output is a terminal'
always\t'Always'
never\t'Never'" -d 'Use colours; NO_COLOR is honoured'
complete -c mptcp-apply -n '__mptcp_apply_at check' -s q -l quiet -d 'Print errors only'
complete -c mptcp-apply -n '__mptcp_apply_at check' -s v -l verbose -d 'Log files and steps; -vv: netlink messages'
complete -c mptcp-apply -n '__mptcp_apply_at check' -l root-dir -x -a '(__fish_complete_directories)' -d 'Find the standard folders below DIR'
complete -c mptcp-apply -n '__mptcp_apply_at check' -s h -l help -d 'Print a summary; `--help` prints everything'
complete -c mptcp-apply -n '__mptcp_apply_at check' -F
complete -c mptcp-apply -n '__mptcp_apply_at status' -l detailed-exitcode -d 'Exit with 2 when it is not in sync'
complete -c mptcp-apply -n '__mptcp_apply_at status' -l netns -x -a '(__mptcp_apply_netns)' -d 'Use this named network namespace'
complete -c mptcp-apply -n '__mptcp_apply_at status' -l format -x -a "text\t'For people'
json\t'For programs, one document a line'
openmetrics\t'As metrics for Prometheus'" -d 'text, json, yaml (show), openmetrics'
complete -c mptcp-apply -n '__mptcp_apply_at status' -l color -x -a "auto\t'When the output is a terminal'
always\t'Always'
never\t'Never'" -d 'Use colours; NO_COLOR is honoured'
complete -c mptcp-apply -n '__mptcp_apply_at status' -s q -l quiet -d 'Print errors only'
complete -c mptcp-apply -n '__mptcp_apply_at status' -s v -l verbose -d 'Log files and steps; -vv: netlink messages'
complete -c mptcp-apply -n '__mptcp_apply_at status' -l root-dir -x -a '(__fish_complete_directories)' -d 'Find the standard folders below DIR'
complete -c mptcp-apply -n '__mptcp_apply_at status' -s h -l help -d 'Print a summary; `--help` prints everything'
complete -c mptcp-apply -n '__mptcp_apply_at status' -F
complete -c mptcp-apply -n '__mptcp_apply_at show' -l connections -d 'Show live connections and subflows too'
complete -c mptcp-apply -n '__mptcp_apply_at show' -l all -d 'Show sysctls with their default values too'
complete -c mptcp-apply -n '__mptcp_apply_at show' -l id -x -a '(__mptcp_apply_ids)' -d 'Show only the endpoint with this id'
complete -c mptcp-apply -n '__mptcp_apply_at show' -l netns -x -a '(__mptcp_apply_netns)' -d 'Use this named network namespace'
complete -c mptcp-apply -n '__mptcp_apply_at show' -l format -x -a "text\t'For people'
json\t'For programs, one document a line'
yaml\t'As a configuration'" -d 'text, json, yaml (show), openmetrics'
complete -c mptcp-apply -n '__mptcp_apply_at show' -l color -x -a "auto\t'When the output is a terminal'
always\t'Always'
never\t'Never'" -d 'Use colours; NO_COLOR is honoured'
complete -c mptcp-apply -n '__mptcp_apply_at show' -s q -l quiet -d 'Print errors only'
complete -c mptcp-apply -n '__mptcp_apply_at show' -s v -l verbose -d 'Log files and steps; -vv: netlink messages'
complete -c mptcp-apply -n '__mptcp_apply_at show' -l root-dir -x -a '(__fish_complete_directories)' -d 'Find the standard folders below DIR'
complete -c mptcp-apply -n '__mptcp_apply_at show' -s h -l help -d 'Print a summary; `--help` prints everything'
complete -c mptcp-apply -n '__mptcp_apply_at try' -l timeout -x -d 'Wait SECS for a confirmation [120]'
complete -c mptcp-apply -n '__mptcp_apply_at try' -l confirm-with -x -a '(__fish_complete_command)' -d 'Confirm if this shell command succeeds'
complete -c mptcp-apply -n '__mptcp_apply_at try' -l strict -d 'Treat warnings as errors'
complete -c mptcp-apply -n '__mptcp_apply_at try' -l netns -x -a '(__mptcp_apply_netns)' -d 'Use this named network namespace'
complete -c mptcp-apply -n '__mptcp_apply_at try' -l format -x -a "text\t'For people'
json\t'For programs, one document a line'" -d 'text, json, yaml (show), openmetrics'
complete -c mptcp-apply -n '__mptcp_apply_at try' -l color -x -a "auto\t'When the output is a terminal'
always\t'Always'
never\t'Never'" -d 'Use colours; NO_COLOR is honoured'
complete -c mptcp-apply -n '__mptcp_apply_at try' -s q -l quiet -d 'Print errors only'
complete -c mptcp-apply -n '__mptcp_apply_at try' -s v -l verbose -d 'Log files and steps; -vv: netlink messages'
complete -c mptcp-apply -n '__mptcp_apply_at try' -l root-dir -x -a '(__fish_complete_directories)' -d 'Find the standard folders below DIR'
complete -c mptcp-apply -n '__mptcp_apply_at try' -s h -l help -d 'Print a summary; `--help` prints everything'
complete -c mptcp-apply -n '__mptcp_apply_at try' -F
complete -c mptcp-apply -n '__mptcp_apply_at doctor' -l probe -x -d 'Open a test connection, watch its subflows'
complete -c mptcp-apply -n '__mptcp_apply_at doctor' -l report -d 'Print everything that a bug report needs'
complete -c mptcp-apply -n '__mptcp_apply_at doctor' -l netns -x -a '(__mptcp_apply_netns)' -d 'Use this named network namespace'
complete -c mptcp-apply -n '__mptcp_apply_at doctor' -l format -x -a "text\t'For people'
json\t'For programs, one document a line'" -d 'text, json, yaml (show), openmetrics'
complete -c mptcp-apply -n '__mptcp_apply_at doctor' -l color -x -a "auto\t'When the output is a terminal'
always\t'Always'
never\t'Never'" -d 'Use colours; NO_COLOR is honoured'
complete -c mptcp-apply -n '__mptcp_apply_at doctor' -s q -l quiet -d 'Print errors only'
complete -c mptcp-apply -n '__mptcp_apply_at doctor' -s v -l verbose -d 'Log files and steps; -vv: netlink messages'
complete -c mptcp-apply -n '__mptcp_apply_at doctor' -l root-dir -x -a '(__fish_complete_directories)' -d 'Find the standard folders below DIR'
complete -c mptcp-apply -n '__mptcp_apply_at doctor' -s h -l help -d 'Print a summary; `--help` prints everything'
complete -c mptcp-apply -n '__mptcp_apply_at doctor' -F
complete -c mptcp-apply -n '__mptcp_apply_at monitor' -l netns -x -a '(__mptcp_apply_netns)' -d 'Use this named network namespace'
complete -c mptcp-apply -n '__mptcp_apply_at monitor' -l format -x -a "text\t'For people'
json\t'For programs, one document a line'" -d 'text, json, yaml (show), openmetrics'
complete -c mptcp-apply -n '__mptcp_apply_at monitor' -l color -x -a "auto\t'When the output is a terminal'
always\t'Always'
never\t'Never'" -d 'Use colours; NO_COLOR is honoured'
complete -c mptcp-apply -n '__mptcp_apply_at monitor' -s q -l quiet -d 'Print errors only'
complete -c mptcp-apply -n '__mptcp_apply_at monitor' -s v -l verbose -d 'Log files and steps; -vv: netlink messages'
complete -c mptcp-apply -n '__mptcp_apply_at monitor' -l root-dir -x -a '(__fish_complete_directories)' -d 'Find the standard folders below DIR'
complete -c mptcp-apply -n '__mptcp_apply_at monitor' -s h -l help -d 'Print a summary; `--help` prints everything'
complete -c mptcp-apply -n '__mptcp_apply_at connection' -l netns -x -a '(__mptcp_apply_netns)' -d 'Use this named network namespace'
complete -c mptcp-apply -n '__mptcp_apply_at connection' -l format -x -a "text\t'For people'
json\t'For programs, one document a line'" -d 'text, json, yaml (show), openmetrics'
complete -c mptcp-apply -n '__mptcp_apply_at connection' -l color -x -a "auto\t'When the output is a terminal'
always\t'Always'
never\t'Never'" -d 'Use colours; NO_COLOR is honoured'
complete -c mptcp-apply -n '__mptcp_apply_at connection' -s q -l quiet -d 'Print errors only'
complete -c mptcp-apply -n '__mptcp_apply_at connection' -s v -l verbose -d 'Log files and steps; -vv: netlink messages'
complete -c mptcp-apply -n '__mptcp_apply_at connection' -l root-dir -x -a '(__fish_complete_directories)' -d 'Find the standard folders below DIR'
complete -c mptcp-apply -n '__mptcp_apply_at connection' -s h -l help -d 'Print a summary; `--help` prints everything'
complete -c mptcp-apply -n '__mptcp_apply_at connection 0' -a '(__mptcp_apply_tokens)'
complete -c mptcp-apply -n '__mptcp_apply_at connection 1' -a "announce\t''
remove\t''
create\t''
destroy\t''
set\t''"
complete -c mptcp-apply -n '__mptcp_apply_at renew' -s n -l dry-run -d 'Print the plan and change nothing'
complete -c mptcp-apply -n '__mptcp_apply_at renew' -l force -d 'Close subflows that may not come back'
complete -c mptcp-apply -n '__mptcp_apply_at renew' -l netns -x -a '(__mptcp_apply_netns)' -d 'Use this named network namespace'
complete -c mptcp-apply -n '__mptcp_apply_at renew' -l format -x -a "text\t'For people'
json\t'For programs, one document a line'" -d 'text, json, yaml (show), openmetrics'
complete -c mptcp-apply -n '__mptcp_apply_at renew' -l color -x -a "auto\t'When the output is a terminal'
always\t'Always'
never\t'Never'" -d 'Use colours; NO_COLOR is honoured'
complete -c mptcp-apply -n '__mptcp_apply_at renew' -s q -l quiet -d 'Print errors only'
complete -c mptcp-apply -n '__mptcp_apply_at renew' -s v -l verbose -d 'Log files and steps; -vv: netlink messages'
complete -c mptcp-apply -n '__mptcp_apply_at renew' -l root-dir -x -a '(__fish_complete_directories)' -d 'Find the standard folders below DIR'
complete -c mptcp-apply -n '__mptcp_apply_at renew' -s h -l help -d 'Print a summary; `--help` prints everything'
complete -c mptcp-apply -n '__mptcp_apply_at renew' -a '(__mptcp_apply_endpoints)'
complete -c mptcp-apply -n '__mptcp_apply_at history' -l netns -x -a '(__mptcp_apply_netns)' -d 'Use this named network namespace'
complete -c mptcp-apply -n '__mptcp_apply_at history' -l format -x -a "text\t'For people'
json\t'For programs, one document a line'
yaml\t'As a configuration'" -d 'text, json, yaml (show), openmetrics'
complete -c mptcp-apply -n '__mptcp_apply_at history' -l color -x -a "auto\t'When the output is a terminal'
always\t'Always'
never\t'Never'" -d 'Use colours; NO_COLOR is honoured'
complete -c mptcp-apply -n '__mptcp_apply_at history' -s q -l quiet -d 'Print errors only'
complete -c mptcp-apply -n '__mptcp_apply_at history' -s v -l verbose -d 'Log files and steps; -vv: netlink messages'
complete -c mptcp-apply -n '__mptcp_apply_at history' -l root-dir -x -a '(__fish_complete_directories)' -d 'Find the standard folders below DIR'
complete -c mptcp-apply -n '__mptcp_apply_at history' -s h -l help -d 'Print a summary; `--help` prints everything'
complete -c mptcp-apply -n '__mptcp_apply_at init' -l client -d 'This host opens connections'
complete -c mptcp-apply -n '__mptcp_apply_at init' -l server -d 'This host accepts connections'
complete -c mptcp-apply -n '__mptcp_apply_at init' -l netns -x -a '(__mptcp_apply_netns)' -d 'Use this named network namespace'
complete -c mptcp-apply -n '__mptcp_apply_at init' -l format -x -a "text\t'For people'
json\t'For programs, one document a line'
yaml\t'As a configuration'" -d 'text, json, yaml (show), openmetrics'
complete -c mptcp-apply -n '__mptcp_apply_at init' -l color -x -a "auto\t'When the output is a terminal'
always\t'Always'
never\t'Never'" -d 'Use colours; NO_COLOR is honoured'
complete -c mptcp-apply -n '__mptcp_apply_at init' -s q -l quiet -d 'Print errors only'
complete -c mptcp-apply -n '__mptcp_apply_at init' -s v -l verbose -d 'Log files and steps; -vv: netlink messages'
complete -c mptcp-apply -n '__mptcp_apply_at init' -l root-dir -x -a '(__fish_complete_directories)' -d 'Find the standard folders below DIR'
complete -c mptcp-apply -n '__mptcp_apply_at init' -s h -l help -d 'Print a summary; `--help` prints everything'
complete -c mptcp-apply -n '__mptcp_apply_at schema' -l format -x -a "text\t'For people'
json\t'For programs, one document a line'" -d 'text, json, yaml (show), openmetrics'
complete -c mptcp-apply -n '__mptcp_apply_at schema' -l color -x -a "auto\t'When the output is a terminal'
always\t'Always'
never\t'Never'" -d 'Use colours; NO_COLOR is honoured'
complete -c mptcp-apply -n '__mptcp_apply_at schema' -s q -l quiet -d 'Print errors only'
complete -c mptcp-apply -n '__mptcp_apply_at schema' -s v -l verbose -d 'Log files and steps; -vv: netlink messages'
complete -c mptcp-apply -n '__mptcp_apply_at schema' -l root-dir -x -a '(__fish_complete_directories)' -d 'Find the standard folders below DIR'
complete -c mptcp-apply -n '__mptcp_apply_at schema' -s h -l help -d 'Print a summary; `--help` prints everything'
