# Completions of mlrun for bash: source <(mlrun completions bash)
_mlrun() {
    # Bash breaks words at '=' and ':', mlrun does not: put them together again.
    local words=() word stripped i last=-1
    local rest=${COMP_LINE:0:COMP_POINT}
    for ((i = 0; i <= COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        stripped=${rest#"${rest%%[![:space:]]*}"}
        if ((i == COMP_CWORD)); then
            word=$stripped
        fi
        if ((i > 0)) && [[ -n $rest && $stripped == "$rest" ]]; then
            words[last]+=$word
        else
            words[++last]=$word
        fi
        rest=${stripped#"$word"}
    done
    local current=${words[last]} replaced=$2
    # What stands before the part that bash replaces.
    local prefix=${current%"$replaced"}
    local candidate COMPLETE=()
    while IFS=$'\t' read -r candidate _; do
        candidate=${candidate#"$prefix"}
        case $candidate in
        *[=/]) COMPLETE+=("$(printf %q "$candidate")") ;;
        '') ;;
        *) COMPLETE+=("$(printf %q "$candidate") ") ;;
        esac
    done < <("${COMP_WORDS[0]}" __complete "$last" -- "${words[@]}" 2>/dev/null)
    COMPREPLY=("${COMPLETE[@]}")
}
complete -o nospace -o bashdefault -F _mlrun mlrun
