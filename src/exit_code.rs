//! Exit codes: what the container's end means to whoever started it. No other file spells one of these numbers.

/// An exit code that is ours; every other one is the listener's, or the command's in exec mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitCode {
    /// All is done.
    Done = 0,
    /// The command line or the configuration is wrong (`EX_USAGE`).
    Usage = 64,
    /// GitHub cannot be had, or does not want us (`EX_UNAVAILABLE`).
    Unavailable = 69,
    /// A defect of ours (`EX_SOFTWARE`).
    Internal = 70,
    /// The operating system refused (`EX_OSERR`).
    Os = 71,
    /// As a shell's: the command was found and cannot be executed.
    CannotExecute = 126,
    /// As a shell's: there is no such command.
    NotFound = 127,
}

impl ExitCode {
    /// Every one.
    pub const ALL: [ExitCode; 7] = [
        ExitCode::Done,
        ExitCode::Usage,
        ExitCode::Unavailable,
        ExitCode::Internal,
        ExitCode::Os,
        ExitCode::CannotExecute,
        ExitCode::NotFound,
    ];

    /// The number.
    pub const fn code(self) -> i32 {
        self as i32
    }

    /// What it means, for the manual.
    pub const fn meaning(self) -> &'static str {
        match self {
            ExitCode::Done => "done",
            ExitCode::Usage => "bad configuration or command line",
            ExitCode::Unavailable => "registration unavailable",
            ExitCode::Internal => "internal",
            ExitCode::Os => "the operating system refused",
            ExitCode::CannotExecute => "exec mode: the command cannot be run",
            ExitCode::NotFound => "exec mode: there is no such command",
        }
    }

    /// What a process that signal `n` ended is said to have left with, as by a shell.
    pub const fn of_signal(n: i32) -> i32 {
        128 + n
    }
}

/// Every code a container can end with and what it means, for the manual.
pub fn table() -> Vec<(String, &'static str)> {
    let ours = ExitCode::ALL.map(|code| (code.code().to_string(), code.meaning()));
    let others =
        [("128+n", "ended by signal n"), ("other", "the listener's own, or the command's own in exec mode")];
    ours.into_iter().chain(others.map(|(code, meaning)| (code.to_owned(), meaning))).collect()
}
