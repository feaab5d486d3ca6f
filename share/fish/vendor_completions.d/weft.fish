# fish completion for weft. It asks weft itself (weft __complete), so it fits every version.

function __weft_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l program $words[1]
    string match -q '~/*' -- $program; and set program (string replace '~' ~ -- $program)
    type -q -f -- $program; or set program weft
    set -e words[1]
    set -l answer ($program __complete $words "$current" 2>/dev/null)
    set -q answer[1]; or return

    set -l first (string split \t -- $answer[1])
    set -l prefix "$first[2]"
    set -e answer[1]
    for line in $answer
        printf '%s%s\n' "$prefix" $line
    end

    set -l begun (string sub -s (math 1 + (string length -- "$prefix")) -- "$current")
    switch $first[1]
        case files
            __fish_complete_path "$begun" | string replace -r '^' -- "$prefix"
        case folders
            __fish_complete_directories "$begun" '' | string replace -r '^' -- "$prefix"
        case commands
            __fish_complete_command
    end
end

complete -c weft -e
complete -c weft -f -a '(__weft_complete)'
