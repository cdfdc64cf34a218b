//! Posts the frames of a page without a socket, one at a time for each connection.

use longhaul::Event;
use longhaul::ids::ConnectionId;

use super::{Do, Page, Watch};

/// The approximate limit of a post's characters. Source: src/web/upstream.rs.
const FRAME_CHARS_MAX: usize = 32 * 1024;

impl Page {
    /// Passes on the answer to a post. For a failed post, `answer` is the minimum retry delay.
    pub fn posted(
        &mut self,
        now: u64,
        connection: ConnectionId,
        answer: Result<&str, u64>,
        watch: &mut Watch<'_>,
    ) -> Vec<Do> {
        if !self.is_posting.contains_key(&connection) {
            return Vec::new();
        }
        let mut wants = match answer {
            Ok(frame) => self.receive(now, connection, frame, watch),
            Err(retry_after_ms) => {
                self.posts.remove(&connection);
                self.handle(
                    now,
                    Event::PostFailed {
                        connection,
                        retry_after_ms,
                    },
                    watch,
                )
            }
        };
        self.is_posting.remove(&connection);
        wants.extend(self.next_post(connection));
        wants
    }

    /// Takes as many waiting frames as fit one post: src/web/upstream.rs.
    pub(super) fn next_post(&mut self, connection: ConnectionId) -> Option<Do> {
        if self.is_posting.contains_key(&connection) {
            return None;
        }
        let waiting = self.posts.get_mut(&connection)?;
        let mut frame = self.client.hello();
        let mut frames = 0;
        while let Some(next) = waiting.front() {
            if frames > 0 && frame.len() + next.len() > FRAME_CHARS_MAX {
                break;
            }
            frame.push('\n');
            frame.push_str(next);
            frames += 1;
            waiting.pop_front();
        }
        (frames > 0).then(|| {
            self.is_posting.insert(connection, true);
            Do::Post { connection, frame }
        })
    }

    /// The browser forgets a connection.
    pub fn forget_connection(&mut self, connection: ConnectionId) {
        self.posts.remove(&connection);
        self.is_posting.remove(&connection);
    }
}
