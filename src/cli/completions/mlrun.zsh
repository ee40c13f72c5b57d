#compdef mlrun
# Completions of mlrun for zsh: source <(mlrun completions zsh), or a file _mlrun in a directory of fpath
_mlrun() {
    local line value help
    local -a whole open whole_shown open_shown
    for line in "${(@f)$("${words[1]}" __complete $((CURRENT - 1)) -- "${(@Q)words[1,CURRENT]}" 2>/dev/null)}"; do
        value=${line%%$'\t'*}
        [[ -n $value ]] || continue
        help=
        [[ $line == *$'\t'* ]] && help="  -- ${line#*$'\t'}"
        # What goes on after '=' or '/' gets no space.
        if [[ $value == *[=/] ]]; then
            open+=("$value")
            open_shown+=("$value$help")
        else
            whole+=("$value")
            whole_shown+=("$value$help")
        fi
    done
    (( $#open )) && compadd -S '' -l -d open_shown -a open
    (( $#whole )) && compadd -l -d whole_shown -a whole
    return 0
}
compdef _mlrun mlrun
