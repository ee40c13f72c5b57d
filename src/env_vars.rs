//! Every environment variable that mlrun reads or sets, and how their values are parsed.
//!
//! Unless a line says otherwise, a variable means what MLflow's documentation and `mlflow.environment_variables` say.

use std::ops::RangeInclusive;

/// Declares the variables, and keeps what is said about each of them for the manual pages.
macro_rules! variables {
    ($($(#[doc = $line:literal])+ pub(crate) const $name:ident: $type:ty = $value:expr;)+) => {
        $($(#[doc = $line])+ pub(crate) const $name: $type = $value;)+

        const MEANINGS: &[(&str, &[&str])] = &[$((stringify!($name), &[$($line),+])),+];
    };
}

variables! {
/// The tracking URI. Read, and set for the entry point.
pub(crate) const MLFLOW_TRACKING_URI: &str = "MLFLOW_TRACKING_URI";
/// The experiment's name. Read as `--experiment-name`.
pub(crate) const MLFLOW_EXPERIMENT_NAME: &str = "MLFLOW_EXPERIMENT_NAME";
/// The experiment's id. Read as `--experiment-id`, and set for the entry point.
pub(crate) const MLFLOW_EXPERIMENT_ID: &str = "MLFLOW_EXPERIMENT_ID";
/// The run's id. Read to find the parent of a nested run, and set for the entry point.
pub(crate) const MLFLOW_RUN_ID: &str = "MLFLOW_RUN_ID";
/// A directory for downloads. Read as `--storage-dir`.
pub(crate) const MLFLOW_TMP_DIR: &str = "MLFLOW_TMP_DIR";
/// Allows MLflow 3 to use a file store. Set for the entry point if the store is one.
pub(crate) const MLFLOW_ALLOW_FILE_STORE: &str = "MLFLOW_ALLOW_FILE_STORE";
/// Whether values that are too long for a tracking store are truncated (the default) or rejected.
pub(crate) const MLFLOW_TRUNCATE_LONG_VALUES: &str = "MLFLOW_TRUNCATE_LONG_VALUES";
/// The user name for basic authentication at the tracking server.
pub(crate) const MLFLOW_TRACKING_USERNAME: &str = "MLFLOW_TRACKING_USERNAME";
/// The password for basic authentication at the tracking server.
pub(crate) const MLFLOW_TRACKING_PASSWORD: &str = "MLFLOW_TRACKING_PASSWORD";
/// A bearer token for the tracking server.
pub(crate) const MLFLOW_TRACKING_TOKEN: &str = "MLFLOW_TRACKING_TOKEN";
/// Whether requests are signed for AWS, by Signature Version 4 for the service `execute-api`.
pub(crate) const MLFLOW_TRACKING_AWS_SIGV4: &str = "MLFLOW_TRACKING_AWS_SIGV4";
/// How many seconds to retry when the end of a run cannot be recorded; 600 by default. mlrun's own.
pub(crate) const MLRUN_RECORD_TIMEOUT: &str = "MLRUN_RECORD_TIMEOUT";
/// The authentication plug-in for requests: `kubernetes` or `kubernetes-namespaced`. Others are Python code and
/// are rejected.
pub(crate) const MLFLOW_TRACKING_AUTH: &str = "MLFLOW_TRACKING_AUTH";
/// Whether to skip the check of the tracking server's certificate.
pub(crate) const MLFLOW_TRACKING_INSECURE_TLS: &str = "MLFLOW_TRACKING_INSECURE_TLS";
/// The trusted certificates for the tracking server: a PEM file or a directory.
pub(crate) const MLFLOW_TRACKING_SERVER_CERT_PATH: &str = "MLFLOW_TRACKING_SERVER_CERT_PATH";
/// The client's certificate and key for the tracking server: one PEM file.
pub(crate) const MLFLOW_TRACKING_CLIENT_CERT_PATH: &str = "MLFLOW_TRACKING_CLIENT_CERT_PATH";
/// The tracking server's workspace for the runs.
pub(crate) const MLFLOW_WORKSPACE: &str = "MLFLOW_WORKSPACE";
/// How many times to retry a failed request to the tracking server.
pub(crate) const MLFLOW_HTTP_REQUEST_MAX_RETRIES: &str = "MLFLOW_HTTP_REQUEST_MAX_RETRIES";
/// The highest value that [`MLFLOW_HTTP_REQUEST_MAX_RETRIES`] may have.
pub(crate) const MLFLOW_HTTP_REQUEST_MAX_RETRIES_LIMIT: &str = "_MLFLOW_HTTP_REQUEST_MAX_RETRIES_LIMIT";
/// The factor, in seconds, by which the pauses between attempts grow.
pub(crate) const MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR: &str = "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR";
/// The highest value that [`MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR`] may have.
pub(crate) const MLFLOW_HTTP_REQUEST_MAX_BACKOFF_FACTOR_LIMIT: &str =
    "_MLFLOW_HTTP_REQUEST_MAX_BACKOFF_FACTOR_LIMIT";
/// The upper bound, in seconds, of the random part of the pauses between attempts.
pub(crate) const MLFLOW_HTTP_REQUEST_BACKOFF_JITTER: &str = "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER";
/// How long, in seconds, the tracking server may take to answer.
pub(crate) const MLFLOW_HTTP_REQUEST_TIMEOUT: &str = "MLFLOW_HTTP_REQUEST_TIMEOUT";
/// Whether to respect a server's `Retry-After`.
pub(crate) const MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER: &str = "MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER";
/// Whether to follow redirects of the tracking server.
pub(crate) const MLFLOW_ALLOW_HTTP_REDIRECTS: &str = "MLFLOW_ALLOW_HTTP_REDIRECTS";
/// A bundle or directory of trusted certificates, as Python's `requests` reads it.
pub(crate) const REQUESTS_CA_BUNDLE: &str = "REQUESTS_CA_BUNDLE";
/// Read if [`REQUESTS_CA_BUNDLE`] is not set, as in Python's `requests`.
pub(crate) const CURL_CA_BUNDLE: &str = "CURL_CA_BUNDLE";
/// The bundle of trusted certificates instead of the system's own. From OpenSSL.
pub(crate) const SSL_CERT_FILE: &str = "SSL_CERT_FILE";
/// The proxy for `http` addresses; the lower-case name takes precedence. From common use.
pub(crate) const HTTP_PROXY: &str = "HTTP_PROXY";
/// The proxy for `https` addresses; the lower-case name takes precedence. From common use.
pub(crate) const HTTPS_PROXY: &str = "HTTPS_PROXY";
/// The proxy for all other addresses; also in lower case. From common use.
pub(crate) const ALL_PROXY: &str = "ALL_PROXY";
/// The hosts to reach without a proxy; also in lower case. From common use.
pub(crate) const NO_PROXY: &str = "NO_PROXY";
/// The netrc file instead of `~/.netrc`, as Python's `requests` reads it.
pub(crate) const NETRC: &str = "NETRC";
/// The directory of a conda installation.
pub(crate) const MLFLOW_CONDA_HOME: &str = "MLFLOW_CONDA_HOME";
/// The program that creates conda environments, such as `mamba`; `conda` by default.
pub(crate) const MLFLOW_CONDA_CREATE_ENV_CMD: &str = "MLFLOW_CONDA_CREATE_ENV_CMD";
/// The `conda` program of the activated shell. From conda.
pub(crate) const CONDA_EXE: &str = "CONDA_EXE";
/// Directories of environments, separated by colons. From conda.
pub(crate) const CONDA_ENVS_DIRS: &str = "CONDA_ENVS_DIRS";
/// The older name of [`CONDA_ENVS_DIRS`]. From conda.
pub(crate) const CONDA_ENVS_PATH: &str = "CONDA_ENVS_PATH";
/// The directory of the active environment, which may contain settings. From conda.
pub(crate) const CONDA_PREFIX: &str = "CONDA_PREFIX";
/// The directory of the conda installation, which may contain settings. From conda.
pub(crate) const CONDA_ROOT: &str = "CONDA_ROOT";
/// A file of settings. From conda.
pub(crate) const CONDARC: &str = "CONDARC";
/// Makes mamba and micromamba ask nothing. Set when they create an environment.
pub(crate) const MAMBA_ALWAYS_YES: &str = "MAMBA_ALWAYS_YES";
/// The program `micromamba` or `mamba`. Both set it in their shells.
pub(crate) const MAMBA_EXE: &str = "MAMBA_EXE";
/// The directory in which `micromamba` and `mamba` keep their environments.
pub(crate) const MAMBA_ROOT_PREFIX: &str = "MAMBA_ROOT_PREFIX";
/// Whether uv may download a Python: `never` forbids it. From uv.
pub(crate) const UV_PYTHON_DOWNLOADS: &str = "UV_PYTHON_DOWNLOADS";
/// Which Pythons uv uses: `only-managed` means its own ones. From uv.
pub(crate) const UV_PYTHON_PREFERENCE: &str = "UV_PYTHON_PREFERENCE";
/// Whether uv uses only its own Pythons. From uv.
pub(crate) const UV_MANAGED_PYTHON: &str = "UV_MANAGED_PYTHON";
/// Whether uv must not use the network. From uv.
pub(crate) const UV_OFFLINE: &str = "UV_OFFLINE";
/// The directory of the user's settings. From the XDG base directory specification.
pub(crate) const XDG_CONFIG_HOME: &str = "XDG_CONFIG_HOME";
/// The directory of environments, instead of `~/.mlflow/envs`.
pub(crate) const MLFLOW_ENV_ROOT: &str = "MLFLOW_ENV_ROOT";
/// The directory of the environment being built. Set for the programs that build it, so that those of a killed
/// build are found. mlrun's own.
pub(crate) const MLRUN_BUILDS: &str = "MLRUN_BUILDS";
/// The mlrun process that started a program: its id and start time. Set for every program that mlrun starts, so
/// that the leftovers of a killed mlrun are found. mlrun's own.
pub(crate) const MLRUN_PROCESS: &str = "MLRUN_PROCESS";
/// The command that connects by SSH, read by a shell. From Git.
pub(crate) const GIT_SSH_COMMAND: &str = "GIT_SSH_COMMAND";
/// The program that connects by SSH. From Git.
pub(crate) const GIT_SSH: &str = "GIT_SSH";
/// Which options the program that connects by SSH takes. From Git.
pub(crate) const GIT_SSH_VARIANT: &str = "GIT_SSH_VARIANT";
/// The trusted certificates for Git servers. From Git.
pub(crate) const GIT_SSL_CAINFO: &str = "GIT_SSL_CAINFO";
/// Whether Git may ask for credentials on the terminal. Set to 0 for every `git` that mlrun starts.
pub(crate) const GIT_TERMINAL_PROMPT: &str = "GIT_TERMINAL_PROMPT";
/// The program that asks for an SSH key's passphrase. Removed for every `git` that mlrun starts, which would
/// use it for other credentials too. From OpenSSH.
pub(crate) const SSH_ASKPASS: &str = "SSH_ASKPASS";
/// The number of Git settings in `GIT_CONFIG_KEY_0`, `GIT_CONFIG_VALUE_0` and so on. Set for `git`, so that no
/// argument contains a URL with credentials.
pub(crate) const GIT_CONFIG_COUNT: &str = "GIT_CONFIG_COUNT";
/// Whether Git LFS leaves its pointer files as they are. From Git LFS.
pub(crate) const GIT_LFS_SKIP_SMUDGE: &str = "GIT_LFS_SKIP_SMUDGE";
/// The container engine: `docker`, `podman`, `nerdctl`, or the path of one. mlrun's own.
pub(crate) const MLRUN_DOCKER_CMD: &str = "MLRUN_DOCKER_CMD";
/// The `mlflow` programs that a command line was already passed to. Set for the next one. mlrun's own.
pub(crate) const MLRUN_HANDED_OVER: &str = "MLRUN_HANDED_OVER";
/// The process of a job's task, which Slurm starts and watches. From Slurm.
pub(crate) const SLURM_TASK_PID: &str = "SLURM_TASK_PID";
/// The job that this program is part of. From Slurm.
pub(crate) const SLURM_JOB_ID: &str = "SLURM_JOB_ID";
/// The memory of a job on each node, in megabytes. From Slurm.
pub(crate) const SLURM_MEM_PER_NODE: &str = "SLURM_MEM_PER_NODE";
/// The memory of a job for each CPU, in megabytes. From Slurm.
pub(crate) const SLURM_MEM_PER_CPU: &str = "SLURM_MEM_PER_CPU";
/// Variables for a container that uses artifacts in S3. From MLflow and Amazon.
pub(crate) const S3_VARIABLES: [&str; 8] = [
    "AWS_SECRET_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "MLFLOW_S3_ENDPOINT_URL",
    "MLFLOW_S3_IGNORE_TLS",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
];
/// The key that signs requests to Amazon's services. From Amazon, like all with this prefix.
pub(crate) const AWS_ACCESS_KEY_ID: &str = "AWS_ACCESS_KEY_ID";
/// The key's secret half.
pub(crate) const AWS_SECRET_ACCESS_KEY: &str = "AWS_SECRET_ACCESS_KEY";
/// The token that belongs to temporary keys.
pub(crate) const AWS_SESSION_TOKEN: &str = "AWS_SESSION_TOKEN";
/// The older name of [`AWS_SESSION_TOKEN`].
pub(crate) const AWS_SECURITY_TOKEN: &str = "AWS_SECURITY_TOKEN";
/// The profile in `~/.aws`.
pub(crate) const AWS_PROFILE: &str = "AWS_PROFILE";
/// Takes precedence over [`AWS_PROFILE`], as in Amazon's Python library.
pub(crate) const AWS_DEFAULT_PROFILE: &str = "AWS_DEFAULT_PROFILE";
/// The region of the service.
pub(crate) const AWS_REGION: &str = "AWS_REGION";
/// Takes precedence over [`AWS_REGION`], as in Amazon's Python library.
pub(crate) const AWS_DEFAULT_REGION: &str = "AWS_DEFAULT_REGION";
/// The file with the user's keys instead of `~/.aws/credentials`. Also set for a container that gets
/// `~/.aws`.
pub(crate) const AWS_SHARED_CREDENTIALS_FILE: &str = "AWS_SHARED_CREDENTIALS_FILE";
/// The file with the user's profiles instead of `~/.aws/config`. Also set for a container that gets
/// `~/.aws`.
pub(crate) const AWS_CONFIG_FILE: &str = "AWS_CONFIG_FILE";
/// The trusted certificates for Amazon's services.
pub(crate) const AWS_CA_BUNDLE: &str = "AWS_CA_BUNDLE";
/// The address of all services instead of Amazon's own.
pub(crate) const AWS_ENDPOINT_URL: &str = "AWS_ENDPOINT_URL";
/// The address of S3 instead of Amazon's own.
pub(crate) const AWS_ENDPOINT_URL_S3: &str = "AWS_ENDPOINT_URL_S3";
/// The address of the security token service instead of Amazon's own.
pub(crate) const AWS_ENDPOINT_URL_STS: &str = "AWS_ENDPOINT_URL_STS";
/// The address of single sign-on instead of Amazon's own.
pub(crate) const AWS_ENDPOINT_URL_SSO: &str = "AWS_ENDPOINT_URL_SSO";
/// Whether to ignore variables and settings with addresses of services.
pub(crate) const AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: &str = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS";
/// The role for an identity provider's token.
pub(crate) const AWS_ROLE_ARN: &str = "AWS_ROLE_ARN";
/// The file with that token.
pub(crate) const AWS_WEB_IDENTITY_TOKEN_FILE: &str = "AWS_WEB_IDENTITY_TOKEN_FILE";
/// The name of the session with that role.
pub(crate) const AWS_ROLE_SESSION_NAME: &str = "AWS_ROLE_SESSION_NAME";
/// The path of a container's credentials at its service.
pub(crate) const AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: &str = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
/// The address of a container's credentials.
pub(crate) const AWS_CONTAINER_CREDENTIALS_FULL_URI: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
/// The authorization token for a container's credentials.
pub(crate) const AWS_CONTAINER_AUTHORIZATION_TOKEN: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN";
/// The file with the authorization token for a container's credentials.
pub(crate) const AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";
/// Whether not to use the instance's metadata.
pub(crate) const AWS_EC2_METADATA_DISABLED: &str = "AWS_EC2_METADATA_DISABLED";
/// The address of the instance's metadata.
pub(crate) const AWS_EC2_METADATA_SERVICE_ENDPOINT: &str = "AWS_EC2_METADATA_SERVICE_ENDPOINT";
/// How many seconds to wait for the instance's metadata.
pub(crate) const AWS_METADATA_SERVICE_TIMEOUT: &str = "AWS_METADATA_SERVICE_TIMEOUT";
/// All variables that affect requests to Amazon's services.
pub(crate) const AWS_VARIABLES: [&str; 28] = [
    AWS_ACCESS_KEY_ID,
    AWS_SECRET_ACCESS_KEY,
    AWS_SESSION_TOKEN,
    AWS_SECURITY_TOKEN,
    AWS_PROFILE,
    AWS_DEFAULT_PROFILE,
    AWS_REGION,
    AWS_DEFAULT_REGION,
    AWS_SHARED_CREDENTIALS_FILE,
    AWS_CONFIG_FILE,
    AWS_CA_BUNDLE,
    AWS_ENDPOINT_URL,
    AWS_ENDPOINT_URL_S3,
    AWS_ENDPOINT_URL_STS,
    AWS_ENDPOINT_URL_SSO,
    AWS_IGNORE_CONFIGURED_ENDPOINT_URLS,
    AWS_ROLE_ARN,
    AWS_WEB_IDENTITY_TOKEN_FILE,
    AWS_ROLE_SESSION_NAME,
    AWS_CONTAINER_CREDENTIALS_RELATIVE_URI,
    AWS_CONTAINER_CREDENTIALS_FULL_URI,
    AWS_CONTAINER_AUTHORIZATION_TOKEN,
    AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE,
    AWS_EC2_METADATA_DISABLED,
    AWS_EC2_METADATA_SERVICE_ENDPOINT,
    AWS_METADATA_SERVICE_TIMEOUT,
    HOME,
    REQUESTS_CA_BUNDLE,
];
/// The address of S3; takes precedence over all others.
pub(crate) const MLFLOW_S3_ENDPOINT_URL: &str = "MLFLOW_S3_ENDPOINT_URL";
/// Whether to skip the check of the S3 server's certificate.
pub(crate) const MLFLOW_S3_IGNORE_TLS: &str = "MLFLOW_S3_IGNORE_TLS";
/// The account that a bucket must belong to.
pub(crate) const MLFLOW_S3_EXPECTED_BUCKET_OWNER: &str = "MLFLOW_S3_EXPECTED_BUCKET_OWNER";
/// JSON with further arguments for uploads to S3, such as the encryption.
pub(crate) const MLFLOW_S3_UPLOAD_EXTRA_ARGS: &str = "MLFLOW_S3_UPLOAD_EXTRA_ARGS";
/// Whether a bucket is a part of the host (`virtual`) or of the path (`path`).
pub(crate) const MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE: &str = "MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE";
/// How requests to S3 are signed; `unsigned` means not at all.
pub(crate) const MLFLOW_EXPERIMENTAL_S3_SIGNATURE_VERSION: &str = "MLFLOW_EXPERIMENTAL_S3_SIGNATURE_VERSION";
/// The address and the key of an Azure storage account. From Microsoft, like all with this prefix.
pub(crate) const AZURE_STORAGE_CONNECTION_STRING: &str = "AZURE_STORAGE_CONNECTION_STRING";
/// The key of an Azure storage account.
pub(crate) const AZURE_STORAGE_ACCESS_KEY: &str = "AZURE_STORAGE_ACCESS_KEY";
/// A shared access signature for an Azure storage account.
pub(crate) const AZURE_STORAGE_SAS_TOKEN: &str = "AZURE_STORAGE_SAS_TOKEN";
/// The tenant of the application.
pub(crate) const AZURE_TENANT_ID: &str = "AZURE_TENANT_ID";
/// The application, or the managed identity.
pub(crate) const AZURE_CLIENT_ID: &str = "AZURE_CLIENT_ID";
/// The application's secret.
pub(crate) const AZURE_CLIENT_SECRET: &str = "AZURE_CLIENT_SECRET";
/// The file with the application's certificate and its key, as PEM or PKCS #12.
pub(crate) const AZURE_CLIENT_CERTIFICATE_PATH: &str = "AZURE_CLIENT_CERTIFICATE_PATH";
/// The password of that file.
pub(crate) const AZURE_CLIENT_CERTIFICATE_PASSWORD: &str = "AZURE_CLIENT_CERTIFICATE_PASSWORD";
/// Whether to send the certificates too, for applications that trust an issuer and a name.
pub(crate) const AZURE_CLIENT_SEND_CERTIFICATE_CHAIN: &str = "AZURE_CLIENT_SEND_CERTIFICATE_CHAIN";
/// The file with a token of an identity provider for the application.
pub(crate) const AZURE_FEDERATED_TOKEN_FILE: &str = "AZURE_FEDERATED_TOKEN_FILE";
/// The token service instead of `https://login.microsoftonline.com`.
pub(crate) const AZURE_AUTHORITY_HOST: &str = "AZURE_AUTHORITY_HOST";
/// The service for the machine's identity, instead of `http://169.254.169.254`.
pub(crate) const AZURE_POD_IDENTITY_AUTHORITY_HOST: &str = "AZURE_POD_IDENTITY_AUTHORITY_HOST";
/// The directory of `gcloud`'s settings. From Google.
pub(crate) const CLOUDSDK_CONFIG: &str = "CLOUDSDK_CONFIG";
/// The address of an emulator of Google's storage. From Google.
pub(crate) const STORAGE_EMULATOR_HOST: &str = "STORAGE_EMULATOR_HOST";
/// The metadata server of Google's machines. From Google.
pub(crate) const GCE_METADATA_HOST: &str = "GCE_METADATA_HOST";
/// The directory of Hadoop's settings. From Hadoop.
pub(crate) const HADOOP_CONF_DIR: &str = "HADOOP_CONF_DIR";
/// The user of Hadoop's file system. From Hadoop.
pub(crate) const HADOOP_USER_NAME: &str = "HADOOP_USER_NAME";
/// The address of the HTTP server of Hadoop's name node. mlrun's own.
pub(crate) const MLRUN_WEBHDFS_URL: &str = "MLRUN_WEBHDFS_URL";
/// Variables for a container that uses artifacts in Azure's blob storage.
pub(crate) const AZURE_VARIABLES: [&str; 2] = ["AZURE_STORAGE_CONNECTION_STRING", "AZURE_STORAGE_ACCESS_KEY"];
/// The file with the credentials for Google's cloud. Read, and set for a container. From Google.
pub(crate) const GOOGLE_APPLICATION_CREDENTIALS: &str = "GOOGLE_APPLICATION_CREDENTIALS";
/// The file with the Kerberos tickets for HDFS.
pub(crate) const MLFLOW_KERBEROS_TICKET_CACHE: &str = "MLFLOW_KERBEROS_TICKET_CACHE";
/// The user's name at Kerberos, for HDFS.
pub(crate) const MLFLOW_KERBEROS_USER: &str = "MLFLOW_KERBEROS_USER";
/// More settings for pyarrow, for HDFS.
pub(crate) const MLFLOW_PYARROW_EXTRA_CONF: &str = "MLFLOW_PYARROW_EXTRA_CONF";
/// The tracking URI for pods, if they reach the server by another address.
pub(crate) const KUBE_MLFLOW_TRACKING_URI: &str = "KUBE_MLFLOW_TRACKING_URI";
/// The kubeconfig files, separated by colons, in place of `~/.kube/config`. From Kubernetes.
pub(crate) const KUBECONFIG: &str = "KUBECONFIG";
/// The API's address for the pods of a cluster. From Kubernetes.
pub(crate) const KUBERNETES_SERVICE_HOST: &str = "KUBERNETES_SERVICE_HOST";
/// The configuration file with profiles instead of `~/.databrickscfg`. From Databricks.
pub(crate) const DATABRICKS_CONFIG_FILE: &str = "DATABRICKS_CONFIG_FILE";
/// The profile of the configuration file. From Databricks.
pub(crate) const DATABRICKS_CONFIG_PROFILE: &str = "DATABRICKS_CONFIG_PROFILE";
/// The address of a workspace. From Databricks.
pub(crate) const DATABRICKS_HOST: &str = "DATABRICKS_HOST";
/// A workspace and its credentials, used if no profile is named. From Databricks.
pub(crate) const DATABRICKS_VARIABLES: [&str; 9] = [
    DATABRICKS_HOST,
    "DATABRICKS_TOKEN",
    "DATABRICKS_USERNAME",
    "DATABRICKS_PASSWORD",
    "DATABRICKS_CLIENT_ID",
    "DATABRICKS_CLIENT_SECRET",
    "DATABRICKS_AUTH_TYPE",
    "DATABRICKS_WORKSPACE_ID",
    "DATABRICKS_INSECURE",
];
/// The directory for temporary files. Read, and set for the programs that build an environment. From POSIX.
pub(crate) const TMPDIR: &str = "TMPDIR";
/// Other names of [`TMPDIR`], which Python reads too.
pub(crate) const TEMP: &str = "TEMP";
/// See [`TEMP`].
pub(crate) const TMP: &str = "TMP";
/// Turns colours off unless `--color` is given (<https://no-color.org>).
pub(crate) const NO_COLOR: &str = "NO_COLOR";
/// Turns colours on, also off a terminal, unless it is 0.
pub(crate) const CLICOLOR_FORCE: &str = "CLICOLOR_FORCE";
/// Turns colours off if it is 0.
pub(crate) const CLICOLOR: &str = "CLICOLOR";
/// The terminal's kind; one that is `dumb` has no colours.
pub(crate) const TERM: &str = "TERM";
/// The width of lines if the terminal has none.
pub(crate) const COLUMNS: &str = "COLUMNS";
/// The user's home directory. From POSIX.
pub(crate) const HOME: &str = "HOME";
/// The user's shell, which runs `.sh` entry points. From POSIX.
pub(crate) const SHELL: &str = "SHELL";
}

/// What the variable means, in one paragraph.
pub(crate) fn meaning(name: &str) -> Option<String> {
    let (_, lines) = MEANINGS.iter().find(|(known, _)| *known == name)?;
    let lines: Vec<&str> = lines.iter().map(|line| line.trim()).collect();
    Some(lines.join(" ").replace(['[', ']', '`'], ""))
}

/// The variable's value, if it is set and not empty.
///
/// The invalid parts of a value that is not valid Unicode are replaced.
pub(crate) fn non_empty(name: &str) -> Option<String> {
    std::env::var_os(name)
        .map(|value| value.to_string_lossy().into_owned())
        .filter(|value| !value.is_empty())
}

/// A variable with an invalid value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name} is '{value}', but must be {expected}")]
pub struct VariableError {
    pub name: &'static str,
    pub value: String,
    pub expected: String,
}

impl VariableError {
    /// What the user can do.
    pub(crate) fn hint(&self) -> String {
        format!("correct {}, or unset it", self.name)
    }
}

type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;
type Read<T> = Result<T, VariableError>;

/// The variable's value, or the default, parsed by `read`.
fn value<T>(
    variable: Variables<'_>,
    name: &'static str,
    default: impl ToString,
    expected: &str,
    read: impl FnOnce(&str) -> Option<T>,
) -> Read<T> {
    let value = variable(name).unwrap_or_else(|| default.to_string());
    read(&value).ok_or_else(|| VariableError {
        name,
        value,
        expected: expected.to_owned(),
    })
}

/// A boolean as in MLflow, where anything else is an error too.
pub(crate) fn boolean(variable: Variables<'_>, name: &'static str, default: bool) -> Read<bool> {
    let read = |value: &str| match value.to_ascii_lowercase().as_str() {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    };
    value(variable, name, default, "true, false, 1 or 0", read)
}

/// A number in this range. A default outside of a lowered limit is an error, as in MLflow.
pub(crate) fn whole_number(
    variable: Variables<'_>,
    name: &'static str,
    default: i64,
    range: RangeInclusive<i64>,
) -> Read<i64> {
    let (start, end) = (range.start(), range.end());
    let expected = if *end >= i64::from(u32::MAX) {
        format!("a whole number of at least {start}")
    } else {
        format!("a whole number from {start} to {end}")
    };
    let read = |value: &str| value.trim().parse().ok().filter(|number| range.contains(number));
    value(variable, name, default, &expected, read)
}

pub(crate) fn seconds(variable: Variables<'_>, name: &'static str, default: f64) -> Read<f64> {
    let is_time = |number: &f64| number.is_finite() && *number >= 0.0;
    let read = |value: &str| value.trim().parse().ok().filter(is_time);
    value(
        variable,
        name,
        default,
        "a number of seconds that is not negative",
        read,
    )
}
