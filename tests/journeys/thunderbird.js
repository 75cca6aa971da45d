// Runs inside Thunderbird, in front of each call: what its windows do when a user works, through the same services.
// Nothing here waits for ever: who calls has a deadline of its own.
const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
const { setTimeout } = ChromeUtils.importESModule("resource://gre/modules/Timer.sys.mjs");

const rest = milliseconds => new Promise(resolve => setTimeout(resolve, milliseconds));

async function until(look, what) {
    for (let tries = 0; tries < 600; tries++) {
        const answer = look();
        if (answer) {
            return answer;
        }
        await rest(25);
    }
    throw new Error(`never happened: ${what}`);
}

const mainWindow = () => Services.wm.getMostRecentWindow("mail:3pane");
const messageWindow = () => mainWindow().msgWindow;
const account = () => MailServices.accounts.accounts.find(one => one.incomingServer.type == "imap");
const server = () => account().incomingServer;

// By its path as the server has it; null when Thunderbird knows none.
function folderOf(path) {
    let folder = server().rootFolder;
    for (const name of path.split("/")) {
        folder = folder.subFolders.find(one => one.name == name || (name == "INBOX" && one.isSpecialFolder(Ci.nsMsgFolderFlags.Inbox)));
        if (!folder) {
            return null;
        }
    }
    return folder.QueryInterface(Ci.nsIMsgImapMailFolder);
}

function known(name) {
    const folder = folderOf(name);
    if (!folder) {
        throw new Error(`no folder ${name}`);
    }
    return folder;
}

function finished(start, what) {
    return new Promise((resolve, reject) => {
        const end = status => (Components.isSuccessCode(status) ? resolve() : reject(new Error(`${what}: ${status}`)));
        start({
            QueryInterface: ChromeUtils.generateQI(["nsIUrlListener", "nsIMsgCopyServiceListener", "nsIMsgSendListener"]),
            OnStartRunningUrl() {},
            OnStopRunningUrl: (_url, status) => end(status),
            onStartCopy() {},
            onProgress() {},
            setMessageKey() {},
            getMessageId() {},
            onStopCopy: end,
        });
    });
}

function message(folder, uid) {
    const header = [...folder.messages].find(one => one.messageKey == uid);
    if (!header) {
        throw new Error(`no message ${uid} in ${folder.name}`);
    }
    return header;
}

// Start, account

async function ready() {
    await until(() => mainWindow() && mainWindow().msgWindow && mainWindow().document.readyState == "complete", "a window");
    return Services.appinfo.version;
}

function trust(authority) {
    Cc["@mozilla.org/security/x509certdb;1"].getService(Ci.nsIX509CertDB).addCertFromBase64(authority, "CT,,");
}

async function addAccount(address, password, imaps, submissions) {
    const { AccountConfig } = ChromeUtils.importESModule("resource:///modules/accountcreation/AccountConfig.sys.mjs");
    const { CreateInBackend } = ChromeUtils.importESModule("resource:///modules/accountcreation/CreateInBackend.sys.mjs");
    const config = new AccountConfig();
    config.identity.realname = "Ann";
    config.identity.emailAddress = address;
    config.displayName = "The company";
    config.rememberPassword = true;
    for (const [half, type, port] of [[config.incoming, "imap", imaps], [config.outgoing, "smtp", submissions]]) {
        Object.assign(half, {
            type,
            port,
            hostname: "localhost",
            username: address,
            password,
            socketType: Ci.nsMsgSocketType.SSL,
            auth: Ci.nsMsgAuthMethod.passwordCleartext,
        });
    }
    await CreateInBackend.createAccountInBackend(config);
    return server().key;
}

// Folders

async function discoverFolders() {
    await finished(
        listener => MailServices.imap.discoverAllFolders(server().rootFolder, listener, messageWindow()), "list"
    );
    await until(() => folderOf("INBOX") && folderOf("Trash"), "the folders");
    const names = server().rootFolder.descendants.map(one => {
        const folder = one.QueryInterface(Ci.nsIMsgImapMailFolder);
        return [folder.onlineName, folder.flags];
    });
    const uses = {
        Sent: Ci.nsMsgFolderFlags.SentMail,
        Drafts: Ci.nsMsgFolderFlags.Drafts,
        Trash: Ci.nsMsgFolderFlags.Trash,
        Junk: Ci.nsMsgFolderFlags.Junk,
        Archive: Ci.nsMsgFolderFlags.Archive,
    };
    return Object.fromEntries(
        names.map(([name, flags]) => [name, Object.keys(uses).filter(use => flags & uses[use])])
    );
}

async function createFolder(parent, name) {
    const folder = parent ? known(parent) : server().rootFolder;
    folder.createSubfolder(name, messageWindow());
    await until(() => folderOf(parent ? `${parent}/${name}` : name), `the folder ${name}`);
}

async function renameFolder(name, to) {
    const path = name.replace(/[^/]*$/, to);
    known(name).rename(to, messageWindow());
    await until(() => folderOf(path) && !folderOf(name), `the folder ${path}`);
}

// Messages

function headers(name) {
    return [...known(name).messages]
        .map(header => ({
            uid: header.messageKey,
            id: header.messageId,
            subject: header.mime2DecodedSubject,
            author: header.mime2DecodedAuthor,
            size: header.messageSize,
            date: header.dateInSeconds,
            read: header.isRead,
            flagged: header.isFlagged,
            answered: !!(header.flags & Ci.nsMsgMessageFlags.Replied),
            keywords: header.getStringProperty("keywords"),
            offline: !!(header.flags & Ci.nsMsgMessageFlags.Offline),
        }))
        .sort((one, other) => one.uid - other.uid);
}

// Without asking for it.
async function shown(name, count) {
    await until(() => headers(name).length == count, `${count} messages in ${name}`);
    return headers(name);
}

// Click on a folder, and again, until it shows these and no other: one that Thunderbird is busy with does not hear a
// click, and calls no listener.
async function open(name, uids) {
    const shows = () => headers(name).map(one => one.uid).join() == uids.join();
    for (let clicks = 0; !shows() && clicks < 10; clicks++) {
        known(name).updateFolder(messageWindow());
        for (let waits = 0; !shows() && waits < 40; waits++) {
            await rest(25);
        }
    }
    if (!shows()) {
        throw new Error(`${name} shows ${headers(name).map(one => one.uid)}, not ${uids}`);
    }
    return headers(name);
}

function markRead(name, uids, read) {
    const folder = known(name);
    folder.markMessagesRead(uids.map(uid => message(folder, uid)), read);
}

function markFlagged(name, uids, flagged) {
    const folder = known(name);
    folder.markMessagesFlagged(uids.map(uid => message(folder, uid)), flagged);
}

function tag(name, uids, keyword) {
    const folder = known(name);
    folder.addKeywordsToMessages(uids.map(uid => message(folder, uid)), keyword);
}

async function transfer(name, uids, to, move) {
    const folder = known(name);
    await finished(
        listener =>
            MailServices.copy.copyMessages(
                folder, uids.map(uid => message(folder, uid)), known(to), move, listener, messageWindow(), true
            ),
        `transfer to ${to}`
    );
}

async function remove(name, uids) {
    const folder = known(name);
    await finished(
        listener =>
            folder.deleteMessages(uids.map(uid => message(folder, uid)), messageWindow(), false, false, listener, true),
        `delete in ${name}`
    );
}

async function compact(name) {
    await finished(listener => known(name).compact(listener, messageWindow()), `compact ${name}`);
}

async function emptyTrash() {
    await finished(listener => known("Trash").emptyTrash(listener), "empty the trash");
}

// Bodies

async function source(name, uid) {
    const folder = known(name);
    const uri = folder.getUriForMsg(message(folder, uid));
    const pieces = [];
    return new Promise((resolve, reject) => {
        MailServices.messageServiceFromURI(uri).streamMessage(
            uri,
            {
                QueryInterface: ChromeUtils.generateQI(["nsIStreamListener", "nsIRequestObserver"]),
                onStartRequest() {},
                onDataAvailable(_request, stream, _offset, count) {
                    const binary = Cc["@mozilla.org/binaryinputstream;1"].createInstance(Ci.nsIBinaryInputStream);
                    binary.setInputStream(stream);
                    pieces.push(binary.readBytes(count));
                },
                onStopRequest(_request, status) {
                    if (Components.isSuccessCode(status)) {
                        resolve(btoa(pieces.join("")));
                    } else {
                        reject(new Error(`read ${uid}: ${status}`));
                    }
                },
            },
            messageWindow(), null, false, "", false
        );
    });
}

async function download(name) {
    const folder = known(name);
    await finished(listener => folder.downloadAllForOffline(listener, messageWindow()), `download ${name}`);
    await until(() => headers(name).every(header => header.offline), "all bodies offline");
}

function goOffline(offline) {
    Services.io.offline = offline;
}

// Search, on the server

async function search(name, where, text) {
    const session = Cc["@mozilla.org/messenger/searchSession;1"].createInstance(Ci.nsIMsgSearchSession);
    session.addScopeTerm(Ci.nsMsgSearchScope.onlineMail, known(name));
    const term = session.createTerm();
    const value = term.value;
    value.attrib = Ci.nsMsgSearchAttrib[where];
    value.str = text;
    term.value = value;
    term.attrib = value.attrib;
    term.op = Ci.nsMsgSearchOp.Contains;
    term.booleanAnd = true;
    session.appendTerm(term);
    const hits = [];
    return new Promise((resolve, reject) => {
        session.registerListener({
            QueryInterface: ChromeUtils.generateQI(["nsIMsgSearchNotify"]),
            onSearchHit: header => hits.push(header.messageKey),
            onSearchDone(status) {
                if (Components.isSuccessCode(status)) {
                    resolve(hits.sort((one, other) => one - other));
                } else {
                    reject(new Error(`search: ${status}`));
                }
            },
            onNewSearch() {},
        });
        session.search(messageWindow());
    });
}

// Writing

async function write(mode, to, subject, text) {
    const fields = Cc["@mozilla.org/messengercompose/composefields;1"].createInstance(Ci.nsIMsgCompFields);
    const identity = account().defaultIdentity;
    fields.from = identity.email;
    fields.to = to;
    fields.subject = subject;
    const sending = Cc["@mozilla.org/messengercompose/send;1"].createInstance(Ci.nsIMsgSend);
    await sending.createAndSendMessage(
        null, identity, account().key, fields, false, false, Ci.nsIMsgSend[mode], null, "text/plain", text,
        null, null, null, null, "", Ci.nsIMsgCompType.New
    );
    return fields.messageId;
}
