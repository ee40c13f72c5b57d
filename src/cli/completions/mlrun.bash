# Completions of @PROGRAM@ for bash: source <(@PROGRAM@ completions bash)
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
    local candidate help quoted names=() helps=() inserted=() width=0 is_plain=1
    while IFS=$'\t' read -r candidate help; do
        candidate=${candidate#"$prefix"}
        [[ -n $candidate ]] || continue
        quoted=$(printf %q "$candidate")
        [[ $quoted == "$candidate" ]] || is_plain=
        names+=("$candidate")
        helps+=("$help")
        ((${#candidate} > width)) && width=${#candidate}
        case $candidate in
        *[=/]) inserted+=("$quoted") ;;
        *) inserted+=("$quoted ") ;;
        esac
    done < <("${COMP_WORDS[0]}" __complete "$last" -- "${words[@]}" 2>/dev/null)
    COMPREPLY=("${inserted[@]}")
    # A list is only shown (the second Tab, or show-all-if-ambiguous): it says what the names mean, one on a line.
    local columns=${COLUMNS:-80}
    if ((${#names[@]} > 1)) && { ((COMP_TYPE == 63)) || { ((COMP_TYPE == 33)) && [[ $is_plain ]]; }; }; then
        for i in "${!names[@]}"; do
            [[ ${helps[i]} ]] || continue
            printf -v candidate '%-*s  %s' "$width" "${names[i]}" "${helps[i]}"
            candidate=${candidate:0:columns - 3}
            printf -v COMPREPLY[i] '%-*s' "$((columns / 2))" "$candidate"
        done
    fi
}
complete -o nosort -o nospace -o bashdefault -F _mlrun @PROGRAM@ 2>/dev/null ||
    complete -o nospace -o bashdefault -F _mlrun @PROGRAM@
