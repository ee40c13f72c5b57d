# Completions of @PROGRAM@ for fish: @PROGRAM@ completions fish | source
function __mlrun_candidates
    set -l words (commandline --current-process --tokenize --cut-at-cursor)
    set -l current (commandline --current-token --cut-at-cursor)
    $words[1] __complete (count $words) -- $words "$current" 2>/dev/null
end
complete --command @PROGRAM@ --no-files --keep-order --arguments '(__mlrun_candidates)'
