//! Entry points: named ones, and files that are some by convention.

use crate::whole_program::differential::{Case, Deviation, case};

/// Prints its arguments, one on each line, in place of R.
const RSCRIPT: &str = "#!/bin/bash\nprintf '<%s>\\n' Rscript \"$@\"\n";

pub(in crate::whole_program::differential) fn cases() -> Vec<Case> {
    let named = r"name: x
entry_points:
  main: {command: echo main}
  train model: {command: echo train}
  run.sh: {command: echo declared}
  yes: {command: echo true}
";
    vec![
        case("an entry point by its name")
            .mlproject(named)
            .run(["--entry-point", "train model"])
            .on_every_store(),
        case("an entry point that looks like a file")
            .mlproject(named)
            .file("run.sh", "echo file")
            .run(["-e", "run.sh"]),
        case("an entry point that does not exist")
            .mlproject(named)
            .run(["-e", "mian"])
            .on_every_store(),
        case("an entry point whose name YAML resolves")
            .mlproject(named)
            .run(["-e", "yes"]),
        case("an entry point whose name YAML resolves, as Python prints it")
            .mlproject(named)
            .run(["-e", "True"])
            .like(
                Deviation::ResolvedNamesCanBeGiven,
                case("").mlproject(&named.replace("yes:", "'True':")).run(["-e", "True"]),
            ),
        case("an empty entry point").mlproject(named).run(["-e", ""]),
        case("no MLproject and no entry point").file("train.py", ""),
        case("no MLproject but one with an extension").file("MLproject.yaml", named),
        case("a Python file")
            .file("train.py", "import sys\nprint(sys.argv)\n")
            .run(["-e", "train.py", "-P", "a=1 2", "-P", "b=x"])
            .on_every_store()
            .logs("a", "1 2"),
        case("a Python file beside an MLproject")
            .mlproject(named)
            .file("a.py", "print('a')")
            .run(["-e", "a.py"]),
        case("a Python file that fails")
            .file("train.py", "raise SystemExit(4)")
            .run(["-e", "train.py"]),
        case("a Python file that is missing")
            .run(["-e", "missing.py"])
            .does_not_run(Deviation::ErrorsComeBeforeTheRun)
            .creates_no_run(Deviation::ErrorsComeBeforeTheRun),
        case("a file in a directory with spaces")
            .file("my src/a b.py", "import os\nprint(os.getcwd(), __file__)\n")
            .run(["-e", "my src/a b.py"]),
        case("a file with a quote in its name")
            .file("it's.sh", "echo \"$0\"")
            .run(["-e", "it's.sh"]),
        case("a shell file")
            .file("run.sh", "echo $0 \"$@\"")
            .run(["-e", "run.sh", "-P", "a=1"]),
        case("a shell file and another shell")
            .env("SHELL", "<sandbox>/work/shell")
            .setup("printf '#!/bin/bash\\necho shell: \"$@\"\\n' >shell; chmod +x shell")
            .file("run.sh", "echo not run")
            .run(["-e", "run.sh"]),
        case("a shell file and an empty SHELL")
            .env("SHELL", "")
            .file("run.sh", "echo ran")
            .run(["-e", "run.sh"])
            .like(
                Deviation::EmptyShellsAreBash,
                case("").file("run.sh", "echo ran").run(["-e", "run.sh"]),
            ),
        case("an R file")
            .file("train.R", "")
            .work_file("Rscript", RSCRIPT)
            .setup("chmod +x Rscript; mv Rscript ../bin/Rscript")
            .run(["-e", "train.R", "-P", "a=1 2"])
            .logs("a", "1 2"),
        case("an R file with a space in its name")
            .file("a b.R", "")
            .work_file("Rscript", RSCRIPT)
            .setup("chmod +x Rscript; mv Rscript ../bin/Rscript")
            .run(["-e", "a b.R"])
            .differs(
                Deviation::RFilesAreQuotedOnce,
                "child.arguments",
                "bash\n-c\nRscript -e \"mlflow::mlflow_source('a b.R')\" --args",
            )
            .differs(
                Deviation::RFilesAreQuotedOnce,
                "log.command",
                "=== Running command 'Rscript -e \"mlflow::mlflow_source('a b.R')\" --args' in run with ID '<run 1>' ===",
            )
            .differs(
                Deviation::RFilesAreQuotedOnce,
                "stdout",
                "<Rscript>\n<-e>\n<mlflow::mlflow_source('a b.R')>\n<--args>\n",
            ),
        case("an extension in capitals")
            .file("train.PY", "")
            .run(["-e", "train.PY"]),
        case("an extension that is no script")
            .file("train.jl", "")
            .run(["-e", "train.jl"]),
        case("a name that begins with a dash")
            .file("-x.sh", "echo dash")
            .run(["-e", "-x.sh"]),
        case("a file above the project")
            .work_file("up.sh", "echo up")
            .run(["-e", "../up.sh"]),
        case("a file by its whole path")
            .work_file("up.sh", "echo up")
            .run(["-e", "<sandbox>/work/up.sh"]),
    ]
}
