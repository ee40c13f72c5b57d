//! The repositories that the servers serve.

/// Makes them in the current directory. A project's command lists its files, so that what comes out
/// of a run tells which version ran.
pub(super) const REPOSITORIES: &str = r#"
mkdir source; cd source; git init -q
cat >MLproject <<'END'
name: project
entry_points:
  main:
    command: "find . -name .git -prune -o -printf '%P %m %l\\n' | sort; cat marker; git rev-parse HEAD; git remote get-url origin; env | grep -i t0k[e]n || true"
END
mkdir -p sub/deep; cp MLproject sub/deep/; echo one >marker; echo one >sub/deep/marker
printf '#!/bin/sh\n' >tool.sh; chmod +x tool.sh; ln -s marker link
printf '*.txt text eol=crlf\n' >.gitattributes; printf 'a\nb\n' >text.txt
git add -A; git commit -qm one
git tag light; git tag -a -m annotated v1
git branch both; echo two >marker; git commit -qam two; git tag both; git branch feature/a
git checkout -q --orphan alone; echo alone >marker; git commit -qam alone; git checkout -q main
echo hidden >marker; git commit -qam hidden; git update-ref refs/hidden/x HEAD; git reset -q --hard HEAD~1
echo three >marker; git commit -qam three
cd ..
git clone -q --mirror source project.git
git clone -q --mirror source once.git
git clone -q --mirror source files.git; git -C files.git update-server-info
git clone -q --mirror source lenient.git; git -C lenient.git config uploadpack.allowReachableSHA1InWant true; git -C lenient.git branch abcd main
git clone -q --mirror source detached.git; git -C detached.git rev-parse main >head; mv head detached.git/HEAD
git clone -q --mirror source trunk.git; git -C trunk.git branch -m main trunk; git -C trunk.git symbolic-ref HEAD refs/heads/trunk
git clone -q --mirror source headless.git; git -C headless.git symbolic-ref HEAD refs/heads/gone
git init -q --bare empty.git
git init -q nested-source; (cd nested-source; echo nested >nested; git add -A; git commit -qm nested)
git clone -q --bare nested-source nested.git
git init -q library-source; (cd library-source; echo old >library; git submodule -q add ../nested.git inner; git add -A; git commit -qm old)
git clone -q --bare library-source library.git; git -C library-source rev-parse HEAD >pinned
(cd library-source; echo new >library; git commit -qam new; git push -q ../library.git main)
git init -q super-source; (cd super-source; cp ../source/MLproject .; echo super >marker; git submodule -q add ../library.git parts/library
  git -C parts/library checkout -q "$(cat ../pinned)"; git config -f .gitmodules submodule.parts/library.url ../library.git
  git -C . add -A; git commit -qm super)
git clone -q --bare super-source super.git
# The URL in the library is relative too.
git -C library-source config -f .gitmodules submodule.inner.url ../nested.git
hostile() { git clone -q --no-recurse-submodules super-source "$1-source"; (cd "$1-source"; git config -f .gitmodules submodule.parts/library.url "$2"
  git commit -qam "$1"); git clone -q --bare "$1-source" "$1.git"; }
hostile ext 'ext::sh -c touch% /tmp/never'; hostile option '--upload-pack=touch /tmp/never'; hostile disk "file://$PWD/library.git"
hostile ssh-super git@host:library.git; hostile word library; hostile lines $'https://host/a\nb'; hostile path "$PWD/library.git"
git init -q plain-source; (cd plain-source; cp -r ../source/MLproject ../source/tool.sh .; ln -s text.txt link; mkdir below; echo plain >marker
  printf 'a\nb\n' >text.txt; cp text.txt below/; git add -A; git commit -qm plain)
git clone -q --bare plain-source plain.git
(cd plain-source; printf '*.txt text eol=crlf\n' >below/.gitattributes; git add -A; git commit -qm attributes)
git clone -q --bare plain-source attributes.git
git init -q lfs-source; (cd lfs-source; cp ../source/MLproject .; echo lfs >marker; echo '*.bin filter=lfs diff=lfs merge=lfs -text' >.gitattributes
  contents='the contents of a large file'; hash=$(printf '%s\n' "$contents" | sha256sum | cut -d' ' -f1)
  printf 'version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize 29\n' "$hash" >large.bin
  printf 'version https://git-lfs.github.com/spec/v1\n' >no-pointer.txt
  git add -A; git commit -qm lfs
  mkdir -p ../lfs-objects; printf '%s\n' "$contents" >../lfs-objects/"$hash")
git clone -q --bare lfs-source lfs.git
git init -q --object-format=sha256 sha256-source; (cd sha256-source; cp ../source/MLproject .; echo first >marker; git add -A; git commit -qm first
  git tag -a -m annotated v1; echo second >marker; git commit -qam second; git branch feature)
git clone -q --bare sha256-source sha256.git
hash=$(ls lfs-objects); mkdir -p "lfs.git/lfs/objects/${hash:0:2}/${hash:2:2}"; cp "lfs-objects/$hash" "lfs.git/lfs/objects/${hash:0:2}/${hash:2:2}/$hash"
"#;
