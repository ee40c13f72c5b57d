#compdef @PROGRAM@
# Completions of @PROGRAM@ for zsh: source <(@PROGRAM@ completions zsh), or a file _@PROGRAM@ in a directory of fpath
_mlrun() {
    local line value help current=${(Q)PREFIX}
    local -a whole open other whole_shown open_shown other_shown
    for line in "${(@f)$("${words[1]}" __complete $((CURRENT - 1)) -- "${(@Q)words[1,CURRENT]}" 2>/dev/null)}"; do
        value=${line%%$'\t'*}
        [[ -n $value ]] || continue
        help=
        [[ $line == *$'\t'* ]] && help="  -- ${line#*$'\t'}"
        if [[ $value != "$current"* ]]; then
            # A run that was named: its id takes the name's place.
            other+=("$value")
            other_shown+=("$value$help")
        elif [[ $value == *[=/] ]]; then
            # What goes on after '=' or '/' gets no space.
            open+=("$value")
            open_shown+=("$value$help")
        else
            whole+=("$value")
            whole_shown+=("$value$help")
        fi
    done
    (( $#open )) && compadd -V open -S '' -l -d open_shown -a open
    (( $#whole )) && compadd -V whole -l -d whole_shown -a whole
    (( $#other )) && compadd -V other -U -l -d other_shown -a other
    return 0
}
compdef _mlrun @PROGRAM@
