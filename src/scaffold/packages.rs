//! Which package brings a module: Python itself, or one from PyPI, whose name may be another one.

/// The top modules of Python 3.6 to 3.14, without those that begin with an underscore.
const STANDARD_LIBRARY: &str = "\
    __future__ __main__ _thread abc aifc annotationlib antigravity argparse array ast asynchat asyncio \
    asyncore atexit audioop base64 bdb binascii bisect builtins bz2 cProfile calendar cgi cgitb chunk cmath \
    cmd code codecs codeop collections colorsys compileall compression concurrent configparser contextlib \
    contextvars copy copyreg crypt csv ctypes curses dataclasses datetime dbm decimal difflib dis distutils \
    doctest email encodings ensurepip enum errno faulthandler fcntl filecmp fileinput fnmatch fractions \
    ftplib functools gc genericpath getopt getpass gettext glob graphlib grp gzip hashlib heapq hmac html \
    http idlelib imaplib imghdr imp importlib inspect io ipaddress itertools json keyword lib2to3 linecache \
    locale logging lzma mailbox mailcap marshal math mimetypes mmap modulefinder msilib msvcrt \
    multiprocessing netrc nis nntplib nt ntpath nturl2path numbers opcode operator optparse os ossaudiodev \
    pathlib pdb pickle pickletools pipes pkgutil platform plistlib poplib posix posixpath pprint profile \
    pstats pty pwd py_compile pyclbr pydoc pydoc_data pyexpat queue quopri random re readline reprlib \
    resource rlcompleter runpy sched secrets select selectors shelve shlex shutil signal site smtpd smtplib \
    sndhdr socket socketserver spwd sqlite3 sre_compile sre_constants sre_parse ssl stat statistics string \
    stringprep struct subprocess sunau symtable sys sysconfig syslog tabnanny tarfile telnetlib tempfile \
    termios test textwrap this threading time timeit tkinter token tokenize tomllib trace traceback \
    tracemalloc tty turtle turtledemo types typing unicodedata unittest urllib uu uuid venv warnings wave \
    weakref webbrowser winreg winsound wsgiref xdrlib xml xmlrpc zipapp zipfile zipimport zlib zoneinfo";

/// Modules whose package has another name.
const PACKAGES: [(&str, &str); 73] = [
    ("Bio", "biopython"),
    ("Crypto", "pycryptodome"),
    ("Cython", "cython"),
    ("IPython", "ipython"),
    ("Levenshtein", "levenshtein"),
    ("MySQLdb", "mysqlclient"),
    ("OpenSSL", "pyOpenSSL"),
    ("PIL", "pillow"),
    ("absl", "absl-py"),
    ("apiclient", "google-api-python-client"),
    ("attr", "attrs"),
    ("azure.ai.ml", "azure-ai-ml"),
    ("azure.identity", "azure-identity"),
    ("azure.storage.blob", "azure-storage-blob"),
    ("azureml", "azureml-core"),
    ("bs4", "beautifulsoup4"),
    ("bson", "pymongo"),
    ("cairosvg", "CairoSVG"),
    ("community", "python-louvain"),
    ("cv2", "opencv-python"),
    ("dateutil", "python-dateutil"),
    ("delta", "delta-spark"),
    ("discord", "discord.py"),
    ("docx", "python-docx"),
    ("dotenv", "python-dotenv"),
    ("faiss", "faiss-cpu"),
    ("fitz", "PyMuPDF"),
    ("git", "GitPython"),
    ("github", "PyGithub"),
    ("google.cloud.aiplatform", "google-cloud-aiplatform"),
    ("google.cloud.bigquery", "google-cloud-bigquery"),
    ("google.cloud.storage", "google-cloud-storage"),
    ("google.generativeai", "google-generativeai"),
    ("google.protobuf", "protobuf"),
    ("googleapiclient", "google-api-python-client"),
    ("grpc", "grpcio"),
    ("hydra", "hydra-core"),
    ("imblearn", "imbalanced-learn"),
    ("jose", "python-jose"),
    ("jwt", "PyJWT"),
    ("kafka", "kafka-python"),
    ("ldap", "python-ldap"),
    ("lightning_fabric", "lightning"),
    ("magic", "python-magic"),
    ("markdown", "Markdown"),
    ("mpl_toolkits", "matplotlib"),
    ("nacl", "PyNaCl"),
    ("osgeo", "GDAL"),
    ("pkg_resources", "setuptools"),
    ("pptx", "python-pptx"),
    ("psycopg2", "psycopg2-binary"),
    ("pylab", "matplotlib"),
    ("pythoncom", "pywin32"),
    ("pywt", "PyWavelets"),
    ("ruamel", "ruamel.yaml"),
    ("serial", "pyserial"),
    ("skimage", "scikit-image"),
    ("sklearn", "scikit-learn"),
    ("skopt", "scikit-optimize"),
    ("sksurv", "scikit-survival"),
    ("slugify", "python-slugify"),
    ("snowflake", "snowflake-connector-python"),
    ("socketio", "python-socketio"),
    ("speech_recognition", "SpeechRecognition"),
    ("tap", "typed-argument-parser"),
    ("telegram", "python-telegram-bot"),
    ("umap", "umap-learn"),
    ("usb", "pyusb"),
    ("websocket", "websocket-client"),
    ("wx", "wxPython"),
    ("xdg", "pyxdg"),
    ("yaml", "PyYAML"),
    ("zmq", "pyzmq"),
];

/// Whether Python itself brings the module.
pub(super) fn is_standard(top: &str) -> bool {
    top.starts_with('_') || STANDARD_LIBRARY.split_whitespace().any(|name| name == top)
}

/// The package that brings a module: the longest part of its name that is known, else its first part.
pub(super) fn package_of(module: &str) -> String {
    let mut part = module;
    loop {
        if let Some((_, package)) = PACKAGES.iter().find(|(known, _)| *known == part) {
            return (*package).to_owned();
        }
        match part.rsplit_once('.') {
            Some((shorter, _)) => part = shorter,
            None => break,
        }
    }
    // Namespaces of many packages, each named for its modules.
    let parts: Vec<&str> = module.split('.').collect();
    match parts.as_slice() {
        ["google", "cloud", name, ..] => format!("google-cloud-{name}"),
        ["google", name, ..] => format!("google-{name}"),
        ["azure", ..] => parts.join("-"),
        [top, ..] => top.replace('_', "-"),
        [] => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_have_packages() {
        for (module, expected) in [
            ("numpy", "numpy"),
            ("sklearn.linear_model", "scikit-learn"),
            ("cv2", "opencv-python"),
            ("yaml", "PyYAML"),
            ("google.cloud.storage", "google-cloud-storage"),
            ("google.cloud.pubsub", "google-cloud-pubsub"),
            ("google.auth.transport", "google-auth"),
            ("sentence_transformers", "sentence-transformers"),
            ("mlflow.sklearn", "mlflow"),
        ] {
            assert_eq!(package_of(module), expected, "{module}");
        }
        for top in ["os", "__future__", "tomllib", "distutils", "_thread"] {
            assert!(is_standard(top), "{top}");
        }
        assert!(!is_standard("mlflow"));
    }
}
